package awsrds

import (
	"bkp/internal/jdbc"
	"bkp/providers"
	"bkp/providers/database/internal/rds"
	"bkp/providers/internal/aws"
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
	KMSKeyID       string   `hcl:"kms_key_id,optional" help:"key that encrypts a snapshot that is copied back from another region or account" unset:"as the copy is" example:"alias/bkp"`
	Properties     string   `hcl:"properties,optional" help:"bitbucket.properties whose jdbc.url is to lead to the new database" unset:"what to change is printed" example:"/var/atlassian/application-data/bitbucket/shared/bitbucket.properties"`
}

var (
	_ providers.ConfigValidator = (*Config)(nil)
	_ providers.Permitted       = (*Config)(nil)
)

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	return append(c.Access.ValidateConfig(), c.common().Validate(c.Method)...)
}

// common is the configuration as instances and clusters have it.
func (c *Config) common() rds.Config {
	r := c.Restore
	return rds.Config{
		Access: c.Access, Kind: aws.Instances, Name: `database "aws_rds"`, Database: c.Instance, Attribute: "instance", Snapshot: c.Method == rds.OfSnapshot,
		Restore: rds.Restore{
			Identifier: r.Identifier, Class: r.Class, SubnetGroup: r.SubnetGroup, SecurityGroups: r.SecurityGroups, ParameterGroup: r.ParameterGroup, OptionGroup: r.OptionGroup,
			Key: r.KMSKeyID, Properties: r.Properties,
		},
	}
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Databases, "aws_rds", "a database of Amazon RDS, as a point in time or a snapshot", Config{Method: rds.PointInTime},
		func(c Config, env providers.Env) (providers.Strategy, error) { return rds.New(c.common(), env), nil }, providers.Yields(providers.Native), providers.Does(providers.Finish),
		providers.Engines(jdbc.PostgreSQL, jdbc.MySQL, jdbc.MariaDB, jdbc.SQLServer, jdbc.Oracle),
		providers.Configured(func(c Config) []providers.Option { return rds.Options(c.Method) }))
}

// Policy implements providers.Permitted.
func (c *Config) Policy() providers.Policy {
	database, snapshots := "arn:aws:rds:*:*:db:"+c.Instance, "arn:aws:rds:*:*:snapshot:bkp-*"
	made := "arn:aws:rds:*:*:db:" + c.common().Target("")
	rights := []aws.Statement{
		{Name: "Look", Reason: "see the database and the snapshots of its backups", Tried: true, Actions: []string{"rds:DescribeDBInstances", "rds:DescribeDBSnapshots"}},
		{Name: "Keep", Reason: "keep in tags what is a backup", Actions: []string{"rds:AddTagsToResource", "rds:RemoveTagsFromResource"}, Resources: []string{database, snapshots, made}},
	}
	from := "rds:RestoreDBInstanceToPointInTime"
	if c.Method == rds.OfSnapshot {
		from = "rds:RestoreDBInstanceFromDBSnapshot"
		rights = append(rights, aws.Statement{Name: "TakeSnapshots", Reason: "take the snapshot of a backup, and delete it", Actions: []string{"rds:CreateDBSnapshot", "rds:DeleteDBSnapshot"}, Resources: []string{database, snapshots}})
	}
	return aws.PolicyOf(append(rights,
		aws.Statement{Name: "Restore", Reason: "make a new database of a backup", Actions: []string{from},
			Resources: []string{database, snapshots, made, "arn:aws:rds:*:*:pg:*", "arn:aws:rds:*:*:og:*", "arn:aws:rds:*:*:subgrp:*"}},
		aws.Statement{Name: "DeleteRestored", Reason: "delete it again when a restore fails", Actions: []string{"rds:DeleteDBInstance"}, Resources: []string{made},
			Conditions: map[string]map[string]any{"Null": {"aws:ResourceTag/" + rds.TagRestored: "false"}}}))
}
