package host

import (
	"strings"
	"testing"
)

// mounts are those of a client with an automounter, a bind mount of a folder of an
// export, and a disk that hides one.
const mounts = `22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
40 22 0:44 / /mnt/home rw,relatime shared:20 - nfs4 nfs1.example.com:/export/bitbucket rw,vers=4.2,addr=192.0.2.7
41 22 0:44 /shared /srv/shared rw,relatime shared:20 - nfs4 nfs1.example.com:/export/bitbucket rw,vers=4.2,addr=192.0.2.7
42 40 0:45 / /mnt/home/large\040files rw,relatime shared:21 - nfs [2001:db8::7]:/vol/large\040files rw,vers=3
43 22 0:46 / /hidden rw,relatime shared:22 - nfs4 nfs2:/ rw
44 43 254:2 / /hidden rw,relatime shared:23 - ext4 /dev/vdb1 rw
45 22 0:47 / /root rw,relatime shared:24 - nfs4 nfs3:/ rw
46 22 0:48 / /auto rw,relatime shared:25 - autofs systemd-1 rw
`

func TestWhichMachineExportsAFolder(t *testing.T) {
	for path, want := range map[string]Export{
		"/mnt/home":                     {"nfs1.example.com", "/export/bitbucket", true},
		"/mnt/home/shared/data":         {"nfs1.example.com", "/export/bitbucket/shared/data", true},
		"/mnt/homes":                    {},
		"/srv/shared/data":              {"nfs1.example.com", "/export/bitbucket/shared/data", true},
		"/mnt/home/large files/x":       {"2001:db8::7", "/vol/large files/x", false},
		"/hidden/x":                     {},
		"/root/x":                       {"nfs3", "/x", true},
		"/auto/x":                       {},
		"/var/atlassian/bitbucket/data": {},
	} {
		if got, err := exportOf(strings.NewReader(mounts), path); err != nil || got != want {
			t.Errorf("%s: %+v, %v", path, got, err)
		}
	}
	if _, err := exportOf(strings.NewReader("not a list\n"), "/x"); err == nil {
		t.Error("what is no list of mounts is read")
	}
	space, err := (&Host{}).Space(t.TempDir())
	if err != nil || space.Export != (Export{}) {
		t.Errorf("%+v, %v", space, err)
	}
}
