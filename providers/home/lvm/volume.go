package lvm

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"bkp/internal/host"
	"bkp/internal/problem"
)

// volume is a logical volume, as lvs describes it.
type volume struct {
	Name  string
	Group string
	// Path is /dev/GROUP/NAME, which is there while the volume is active.
	Path string
	// Device is MAJOR:MINOR, as the list of mounts has it; "" while it is not active.
	Device string
	UUID   string
	// Origin is the volume that it is a snapshot of, "" if it is none.
	Origin string
	// Pool is the thin pool that it lies in, "" for a classic volume.
	Pool string
	Tags []string
	// Size of the volume, and Free of its group, in bytes.
	Size, Free int64
	// Data and Metadata are how full it is in percent: of a classic snapshot what it
	// has kept of the origin, of a thin pool what its volumes take. Negative for none.
	Data, Metadata float64
	// Attr are the ten letters of lv_attr.
	Attr string
	// Created is when it was made.
	Created time.Time
	// Invalid is set for a classic snapshot that overflowed.
	Invalid bool
}

func (v volume) String() string { return v.Group + "/" + v.Name }

// tagged are the tags that begin with a prefix, without it.
func (v volume) tagged(prefix string) []string {
	var out []string
	for _, t := range v.Tags {
		if rest, ok := strings.CutPrefix(t, prefix); ok {
			out = append(out, rest)
		}
	}
	return out
}

// inUse reports whether somebody has the volume open, such as a mount.
func (v volume) inUse() bool { return len(v.Attr) > 5 && v.Attr[5] == 'o' }

// firstTag is the one tag that begins with a prefix, without it; "" if there is none.
func (v volume) firstTag(prefix string) string {
	if all := v.tagged(prefix); len(all) > 0 {
		return all[0]
	}
	return ""
}

// fields are what volumes asks of lvs.
const fields = "lv_name,vg_name,lv_path,lv_uuid,lv_attr,lv_size,origin,pool_lv,data_percent,metadata_percent,lv_snapshot_invalid,lv_tags,lv_kernel_major,lv_kernel_minor,vg_free,lv_time"

// tool runs the commands of LVM.
type tool struct{ host *host.Host }

// volumes lists all volumes of the machine.
func (t tool) volumes(ctx context.Context) ([]volume, error) {
	args := []string{"--reportformat", "json", "--units", "b", "--nosuffix", "-o", fields}
	out, err := t.host.Output(ctx, host.Command{Name: "lvs", Args: args})
	if err != nil {
		return nil, problem.Wrap(err, "volumes cannot be listed", "run bkp as root, with the package lvm2 installed, and see what lvs prints")
	}
	return parse(out)
}

// run runs a command that changes something.
func (t tool) run(ctx context.Context, name string, args ...string) error {
	_, err := t.host.Run(ctx, host.Command{Name: name, Args: args})
	return err
}

func parse(report string) ([]volume, error) {
	var parsed struct {
		Report []struct {
			LV []map[string]string `json:"lv"`
		} `json:"report"`
	}
	if err := json.Unmarshal([]byte(report), &parsed); err != nil {
		return nil, fmt.Errorf("lvs printed no report: %w", err)
	}
	var out []volume
	for _, r := range parsed.Report {
		for _, lv := range r.LV {
			v, err := newVolume(lv)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
	}
	return out, nil
}

func newVolume(lv map[string]string) (volume, error) {
	v := volume{
		Name: lv["lv_name"], Group: lv["vg_name"], Path: lv["lv_path"], UUID: lv["lv_uuid"], Origin: lv["origin"], Pool: lv["pool_lv"],
		Attr: lv["lv_attr"], Invalid: lv["lv_snapshot_invalid"] == "snapshot invalid", Data: percent(lv["data_percent"]), Metadata: percent(lv["metadata_percent"]),
	}
	if t, err := time.Parse("2006-01-02 15:04:05 -0700", lv["lv_time"]); err == nil {
		v.Created = t.UTC()
	}
	if tags := lv["lv_tags"]; tags != "" {
		v.Tags = strings.Split(tags, ",")
	}
	if major := lv["lv_kernel_major"]; major != "" && major != "-1" {
		v.Device = major + ":" + lv["lv_kernel_minor"]
	}
	// An invalid snapshot has the letter I, whatever the version calls the rest.
	v.Invalid = v.Invalid || len(v.Attr) > 4 && (v.Attr[4] == 'I' || v.Attr[4] == 'S')
	for name, to := range map[string]*int64{"lv_size": &v.Size, "vg_free": &v.Free} {
		n, err := strconv.ParseInt(lv[name], 10, 64)
		if err != nil {
			return v, fmt.Errorf("lvs gives %q as %s of %s", lv[name], name, v)
		}
		*to = n
	}
	return v, nil
}

func percent(text string) float64 {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return -1
	}
	return f
}
