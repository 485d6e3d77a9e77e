package host

import (
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// exportOf is where a path comes from, by the list of mounts: a folder of another machine; empty if
// it is on no export of NFS. No other machine is asked.
func exportOf(mounts io.Reader, at string) (Export, error) {
	all, err := mountinfo.GetMountsFromReader(mounts, mountinfo.ParentsFilter(at))
	if err != nil || len(all) == 0 {
		return Export{}, err
	}
	top := all[0]
	for _, m := range all[1:] {
		if len(m.Mountpoint) >= len(top.Mountpoint) { // of two at one place, the later hides the other
			top = m
		}
	}
	if top.FSType != "nfs" && top.FSType != "nfs4" {
		return Export{}, nil
	}
	colon := strings.Index(top.Source, ":/")
	if colon < 1 {
		return Export{}, nil
	}
	below, err := filepath.Rel(top.Mountpoint, at)
	if err != nil {
		return Export{}, err
	}
	return Export{
		Host: strings.Trim(top.Source[:colon], "[]"), Path: path.Join(top.Source[colon+1:], top.Root, below), FromRoot: top.FSType == "nfs4",
	}, nil
}

// export looks where the path is exported; what cannot be found out is left empty.
func export(at string) Export {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return Export{}
	}
	defer func() { _ = f.Close() }()
	e, err := exportOf(f, Resolve(at))
	if err != nil {
		return Export{}
	}
	return e
}
