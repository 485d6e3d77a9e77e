package awssnapshots

import (
	"fmt"

	"bkp/providers"
	"bkp/providers/internal/aws"
)

// Config is the block archive "aws_snapshots".
type Config struct {
	providers.Retained
	aws.Access
	Keys              Keys      `hcl:"kms_keys,block" help:"keys of the account that has the copies"`
	Lock              *aws.Lock `hcl:"lock,block" help:"keeps the copies of volumes from being deleted, by anybody; Amazon has no such lock for databases"`
	CompletionMinutes int       `hcl:"completion_minutes,optional" help:"within how many minutes the copy of a volume is to be there, in steps of 15, at a price of its own" unset:"as soon as it can be" example:"60"`
}

// Keys encrypt copies.
type Keys struct {
	Volumes   string `hcl:"volumes,optional" help:"key that encrypts the copies of volumes" unset:"as the originals, with the account's own key" example:"alias/bkp"`
	Databases string `hcl:"databases,optional" help:"key that encrypts the copies of databases; between regions Amazon wants one for a database that is encrypted" unset:"as the originals" example:"alias/bkp"`
}

var (
	_ providers.ConfigValidator = (*Config)(nil)
	_ providers.Permitted       = (*Config)(nil)
)

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	out := c.Access.ValidateConfig()
	if attribute, detail, remedy := c.Lock.Validate(); attribute != "" {
		out = append(out, providers.ConfigProblem{Attribute: attribute, Summary: "not a lock that Amazon offers", Detail: detail, Remedy: remedy})
	}
	const steps, longest = 15, 48 * 60
	if m := c.CompletionMinutes; m < 0 || m%steps != 0 || m > longest {
		out = append(out, providers.ConfigProblem{
			Attribute: "completion_minutes", Summary: "not a time that Amazon offers", Detail: fmt.Sprintf("%d minutes", m), Remedy: fmt.Sprintf("give a multiple of %d up to %d, or leave it out", steps, longest),
		})
	}
	return out
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Archives, "aws_snapshots", "copies of snapshots of Amazon in another region or account", Config{},
		func(c Config, env providers.Env) (providers.Archiver, error) {
			return open(c, env), nil
		}, providers.Takes(providers.Native))
}

// Policy implements providers.Permitted.
func (c *Config) Policy() providers.Policy {
	const volumes, instances, clusters = "arn:aws:ec2:*::snapshot/*", "arn:aws:rds:*:*:snapshot:bkp-*", "arn:aws:rds:*:*:cluster-snapshot:bkp-*"
	has := func(tag string) map[string]map[string]any {
		return map[string]map[string]any{"Null": {"aws:ResourceTag/" + tag: "false"}}
	}
	out := []aws.Statement{
		{Name: "Look", Reason: "see the copies", Tried: true, Actions: []string{"ec2:DescribeSnapshots", "ec2:DescribeLockedSnapshots", "rds:DescribeDBSnapshots", "rds:DescribeDBClusterSnapshots"}},
		{Name: "Copy", Reason: "copy snapshots", Actions: []string{"ec2:CopySnapshot", "rds:CopyDBSnapshot", "rds:CopyDBClusterSnapshot"}, Resources: []string{volumes, instances, clusters}},
		{Name: "TagWhatIsMade", Reason: "say in tags, from its first moment, whose a copy is", Actions: []string{"ec2:CreateTags"}, Resources: []string{volumes},
			Conditions: map[string]map[string]any{"StringEquals": {"ec2:CreateAction": []string{"CopySnapshot"}}}},
		{Name: "KeepCopies", Reason: "keep the manifest of a backup in the tags of its copies", Actions: []string{"ec2:CreateTags"}, Resources: []string{volumes}, Conditions: has(aws.TagCopy)},
		{Name: "KeepDatabases", Reason: "keep the manifest of a backup in the tags of its copies", Actions: []string{"rds:AddTagsToResource", "rds:RemoveTagsFromResource"}, Resources: []string{instances, clusters}},
		{Name: "DeleteCopies", Reason: "delete copies that retention does not keep", Actions: []string{"ec2:DeleteSnapshot"}, Resources: []string{volumes}, Conditions: has(aws.TagCopy)},
		{Name: "DeleteDatabases", Reason: "delete copies that retention does not keep", Actions: []string{"rds:DeleteDBSnapshot", "rds:DeleteDBClusterSnapshot"}, Resources: []string{instances, clusters}},
	}
	if c.Lock != nil {
		out = append(out, aws.Statement{Name: "LockCopies", Reason: "lock the copies of volumes", Actions: []string{"ec2:LockSnapshot"}, Resources: []string{volumes}})
	}
	if c.AssumeRole != nil {
		out = append(out,
			aws.Statement{Name: "AssumeRole", Reason: "for the role or user that bkp has where the originals are: take on the role that copies", Tried: true, Actions: []string{"sts:AssumeRole"}, Resources: []string{c.AssumeRole.ARN}},
			aws.Statement{Name: "Share", Reason: "for the role or user that bkp has where the originals are: share them while they are copied",
				Actions: []string{"ec2:ModifySnapshotAttribute", "ec2:CreateTags", "ec2:DeleteTags"}, Resources: []string{volumes}, Conditions: has(aws.TagBackup)},
			aws.Statement{Name: "ShareCopies", Reason: "for the role that copies: share a copy of volumes while a restore copies it back, which needs the statements Copy, TagWhatIsMade, KeepCopies and DeleteCopies where the home is",
				Actions: []string{"ec2:ModifySnapshotAttribute", "ec2:DeleteTags"}, Resources: []string{volumes}, Conditions: has(aws.TagCopy)},
			aws.Statement{Name: "ShareDatabases", Reason: "for the role or user that bkp has where the originals are: share them while they are copied",
				Actions: []string{"rds:ModifyDBSnapshotAttribute", "rds:ModifyDBClusterSnapshotAttribute"}, Resources: []string{instances, clusters}})
	}
	return aws.PolicyOf(out)
}
