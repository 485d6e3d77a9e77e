package awsebs

import (
	"bkp/providers"
	"bkp/providers/internal/aws"
)

var _ providers.Permitted = (*Config)(nil)

// Policy implements providers.Permitted.
func (c *Config) Policy() providers.Policy {
	const snapshots, volumes, machines = "arn:aws:ec2:*::snapshot/*", "arn:aws:ec2:*:*:volume/*", "arn:aws:ec2:*:*:instance/*"
	has := func(tag string) map[string]map[string]any {
		return map[string]map[string]any{"Null": {"aws:ResourceTag/" + tag: "false"}}
	}
	rights := []aws.Statement{
		{Name: "Look", Reason: "find the volumes of the home, and the snapshots of its backups", Tried: true,
			Actions: []string{"ec2:DescribeInstances", "ec2:DescribeVolumes", "ec2:DescribeSnapshots"}},
		{Name: "TakeSnapshots", Reason: "take the snapshots of a backup", Tried: true,
			Actions: []string{"ec2:CreateSnapshots"}, Resources: []string{machines, volumes, snapshots}},
		{Name: "TagWhatIsMade", Reason: "say in tags, from its first moment, whose a snapshot or volume is",
			Actions: []string{"ec2:CreateTags"}, Resources: []string{snapshots, volumes},
			Conditions: map[string]map[string]any{"StringEquals": {"ec2:CreateAction": []string{"CreateSnapshots", "CreateVolume"}}}},
		{Name: "KeepSnapshots", Reason: "keep the manifest of a backup in the tags of its snapshots",
			Actions: []string{"ec2:CreateTags"}, Resources: []string{snapshots}, Conditions: has(tagBackup)},
		{Name: "LookForLocks", Reason: "see that a snapshot is locked before anything of its backup is deleted, also of one whose lock is no longer configured",
			Actions: []string{"ec2:DescribeLockedSnapshots"}},
		{Name: "DeleteSnapshots", Reason: "delete snapshots of backups that retention does not keep, and of runs that failed", Tried: true,
			Actions: []string{"ec2:DeleteSnapshot"}, Resources: []string{snapshots}, Conditions: has(tagBackup)},
		{Name: "MakeVolumes", Reason: "make a volume of a snapshot, to archive it or to restore from it", Tried: true,
			Actions: []string{"ec2:CreateVolume"}, Resources: []string{volumes, snapshots}},
		{Name: "AttachVolumes", Reason: "attach it to this machine, and detach it",
			Actions: []string{"ec2:AttachVolume", "ec2:DetachVolume"}, Resources: []string{volumes}, Conditions: has(tagView)},
		{Name: "AttachToMachine", Reason: "attach it to this machine, and detach it",
			Actions: []string{"ec2:AttachVolume", "ec2:DetachVolume"}, Resources: []string{c.machineARN()}},
		{Name: "DeleteVolumes", Reason: "delete it",
			Actions: []string{"ec2:DeleteVolume"}, Resources: []string{volumes}, Conditions: has(tagView)},
	}
	if c.Lock != nil {
		rights = append(rights, aws.Statement{Name: "LockSnapshots", Reason: "lock the snapshots of a backup that is kept", Actions: []string{"ec2:LockSnapshot"}})
	}
	return aws.PolicyOf(rights)
}

func (c *Config) machineARN() string {
	if c.InstanceID == "" {
		return "arn:aws:ec2:*:*:instance/*"
	}
	return "arn:aws:ec2:*:*:instance/" + c.InstanceID
}
