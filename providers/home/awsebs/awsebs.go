package awsebs

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bkp/providers"
	"bkp/providers/home"
	"bkp/providers/home/internal/snapshot"
	"bkp/providers/internal/aws"
)

// How a file system is brought to rest before the snapshot.
const (
	freezeNone = "none"
	freezeSync = "sync"
	freezeFull = "fsfreeze"
)

// Config is the block home "aws_ebs".
type Config struct {
	home.Config
	aws.Access
	InstanceID string    `hcl:"instance_id,optional" help:"the machine that the volumes are attached to, and bkp runs on" unset:"asked of the metadata service" example:"i-0123456789abcdef0"`
	Volumes    []string  `hcl:"volumes,optional" help:"the volumes that the home and its data stores lie on, to be refused if it is others" unset:"found from the mounts" example:"[\"vol-0123456789abcdef0\"]"`
	Freeze     string    `hcl:"freeze,optional" help:"how file systems come to rest under the lock: sync writes what is in memory; fsfreeze stops them besides for the moment of the call; none does neither"`
	Sysfs      string    `hcl:"sysfs,optional" help:"where the kernel lists its disks, if a container has that elsewhere"`
	Lock       *aws.Lock `hcl:"lock,block" help:"keeps the snapshots that stay from being deleted, by anybody"`
	Restore    Restore   `hcl:"restore,block" help:"the volumes that are made of snapshots, to be read"`
}

// Restore says how volumes are made of snapshots.
type Restore struct {
	VolumeType         string `hcl:"volume_type,optional" help:"their type"`
	KMSKeyID           string `hcl:"kms_key_id,optional" help:"key that encrypts them, and snapshots that are copied back from another region or account" unset:"as the snapshots" example:"alias/bkp"`
	InitializationRate int    `hcl:"initialization_rate,optional" help:"how fast Amazon loads their blocks, in MiB/s, from 100 to 300, at a price of its own" unset:"as they are read"`
}

var _ providers.ConfigValidator = (*Config)(nil)

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	out := append(c.Config.ValidateConfig(), c.Access.ValidateConfig()...)
	add := func(attribute, summary, detail, remedy string) {
		out = append(out, providers.ConfigProblem{Attribute: attribute, Summary: summary, Detail: detail, Remedy: remedy})
	}
	if !slices.Contains([]string{freezeNone, freezeSync, freezeFull}, c.Freeze) {
		add("freeze", "not a way to come to rest", fmt.Sprintf("%q is not known", c.Freeze), "write sync, fsfreeze or none")
	}
	for _, v := range c.Volumes {
		if !strings.HasPrefix(v, "vol-") {
			add("volumes", "not a volume", fmt.Sprintf("%q is no id of a volume", v), "write it as Amazon shows it: vol-0123456789abcdef0")
		}
	}
	if c.InstanceID != "" && !strings.HasPrefix(c.InstanceID, "i-") {
		add("instance_id", "not a machine", fmt.Sprintf("%q is no id of a machine", c.InstanceID), "write it as Amazon shows it: i-0123456789abcdef0")
	}
	if !filepath.IsAbs(c.Sysfs) {
		add("sysfs", "path is not absolute", fmt.Sprintf("%q depends on where bkp is started", c.Sysfs), "use an absolute path, such as /sys")
	}
	if attribute, detail, remedy := c.Lock.Validate(); attribute != "" {
		add(attribute, "not a lock that Amazon offers", detail, remedy)
	}
	const slowest, fastest = 100, 300
	if r := c.Restore.InitializationRate; r != 0 && (r < slowest || r > fastest) {
		add("restore.initialization_rate", "not a rate that Amazon offers", fmt.Sprintf("%d MiB/s", r), fmt.Sprintf("give a number from %d to %d, or leave it out", slowest, fastest))
	}
	return out
}

// Definition describes the strategy.
func Definition() providers.Definition {
	defaults := Config{Config: home.Defaults(), Freeze: freezeSync, Sysfs: "/sys", Restore: Restore{VolumeType: "gp3"}}
	// Frozen file systems have all on their volumes that was written. With sync alone, more may
	// be written between that and the call.
	options := append(snapshot.Options(), providers.Configured(func(c Config) []providers.Option {
		if c.Freeze != freezeFull {
			return nil
		}
		return []providers.Option{providers.Live()}
	}))
	return providers.Define(providers.Homes, "aws_ebs", "snapshots of the EBS volumes that the home lies on", defaults,
		func(c Config, env providers.Env) (providers.Strategy, error) { return open(c, env), nil }, options...)
}

// strategy is the home with what ends a freeze.
type strategy struct {
	*snapshot.Home
	storage *storage
}

var (
	_ providers.Undoer = (*strategy)(nil)
	_ providers.Keeper = (*strategy)(nil)
)

func open(c Config, env providers.Env) *strategy {
	s := newStorage(c, env)
	return &strategy{snapshot.New("aws_ebs", s, c.Config, env), s}
}

// Undo implements providers.Undoer: it thaws, which is harmless for what is not frozen.
func (s *strategy) Undo(providers.BackupID) []providers.UndoCommand {
	var out []providers.UndoCommand
	for _, root := range s.storage.frozen() {
		out = append(out, providers.UndoCommand{Name: "sh", Args: []string{"-c", `fsfreeze --unfreeze "$0" 2>/dev/null; true`, root}, Timeout: thawTimeout})
	}
	return out
}

const thawTimeout = 5 * time.Second
