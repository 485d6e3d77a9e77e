package awsrds

import (
	"fmt"
	"regexp"
	"slices"

	"bkp/providers"
	"bkp/providers/internal/aws"
)

const (
	pointInTime = "point_in_time"
	ofSnapshot  = "snapshot"
)

// Config is the block database "aws_rds".
type Config struct {
	aws.Access
	Instance string  `hcl:"instance" help:"name of the database instance in RDS" example:"bitbucket"`
	Method   string  `hcl:"method,optional" help:"point_in_time chooses a time that RDS can restore, or snapshot takes one, for which users wait longer"`
	Restore  Restore `hcl:"restore,block" help:"the new database that a restore makes"`
}

// Restore describes the database that a restore makes.
type Restore struct {
	Identifier     string   `hcl:"identifier,optional" help:"its name" unset:"that of the instance, followed by -restored"`
	Class          string   `hcl:"class,optional" help:"its class" unset:"that of the instance" example:"db.m7g.large"`
	SubnetGroup    string   `hcl:"subnet_group,optional" help:"its subnet group" unset:"that of the instance"`
	SecurityGroups []string `hcl:"security_groups,optional" help:"its security groups" unset:"those of the instance" example:"[\"sg-0123456789abcdef0\"]"`
	ParameterGroup string   `hcl:"parameter_group,optional" help:"its parameter group" unset:"that of the instance"`
	OptionGroup    string   `hcl:"option_group,optional" help:"its option group" unset:"that of the instance"`
}

// identifier is what RDS takes for a name.
var identifier = regexp.MustCompile(`^[A-Za-z](-?[A-Za-z0-9]){0,62}$`)

var (
	_ providers.ConfigValidator = (*Config)(nil)
	_ providers.Permitted       = (*Config)(nil)
)

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	out := c.Access.ValidateConfig()
	add := func(attribute, summary, detail, remedy string) {
		out = append(out, providers.ConfigProblem{Attribute: attribute, Summary: summary, Detail: detail, Remedy: remedy})
	}
	for attribute, name := range map[string]string{"instance": c.Instance, "restore.identifier": c.target("")} {
		if !identifier.MatchString(name) {
			add(attribute, "not a name of RDS", fmt.Sprintf("%q is not one", name), "use letters, digits and single hyphens, at most 63, the first a letter")
		}
	}
	if !slices.Contains([]string{pointInTime, ofSnapshot}, c.Method) {
		add("method", "not a way to capture RDS", fmt.Sprintf("%q is not known", c.Method), "write point_in_time or snapshot")
	}
	return out
}

// target is the name of the database that a restore makes.
func (c *Config) target(given string) string {
	switch {
	case given != "":
		return given
	case c.Restore.Identifier != "":
		return c.Restore.Identifier
	}
	return c.Instance + "-restored"
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Databases, "aws_rds", "a database of Amazon RDS, as a point in time or a snapshot", Config{Method: pointInTime},
		func(c Config, env providers.Env) (providers.Strategy, error) { return open(c, env), nil }, providers.Yields(providers.Native), providers.Does(providers.Finish),
		providers.Configured(func(c Config) []providers.Option {
			if c.Method == ofSnapshot {
				return []providers.Option{providers.Does(providers.Prepare, providers.Finish)}
			}
			return nil
		}))
}

// Policy implements providers.Permitted.
func (c *Config) Policy() providers.Policy {
	database, snapshots := "arn:aws:rds:*:*:db:"+c.Instance, "arn:aws:rds:*:*:snapshot:bkp-*"
	made := "arn:aws:rds:*:*:db:" + c.target("")
	rights := []aws.Statement{
		{Name: "Look", Reason: "see the database and the snapshots of its backups", Tried: true, Actions: []string{"rds:DescribeDBInstances", "rds:DescribeDBSnapshots"}},
		{Name: "Keep", Reason: "keep in tags what is a backup", Actions: []string{"rds:AddTagsToResource", "rds:RemoveTagsFromResource"}, Resources: []string{database, snapshots, made}},
	}
	from := "rds:RestoreDBInstanceToPointInTime"
	if c.Method == ofSnapshot {
		from = "rds:RestoreDBInstanceFromDBSnapshot"
		rights = append(rights, aws.Statement{Name: "TakeSnapshots", Reason: "take the snapshot of a backup, and delete it", Actions: []string{"rds:CreateDBSnapshot", "rds:DeleteDBSnapshot"}, Resources: []string{database, snapshots}})
	}
	return aws.PolicyOf(append(rights,
		aws.Statement{Name: "Restore", Reason: "make a new database of a backup", Actions: []string{from},
			Resources: []string{database, snapshots, made, "arn:aws:rds:*:*:pg:*", "arn:aws:rds:*:*:og:*", "arn:aws:rds:*:*:subgrp:*"}},
		aws.Statement{Name: "DeleteRestored", Reason: "delete it again when a restore fails", Actions: []string{"rds:DeleteDBInstance"}, Resources: []string{made},
			Conditions: map[string]map[string]any{"Null": {"aws:ResourceTag/" + tagRestored: "false"}}}))
}
