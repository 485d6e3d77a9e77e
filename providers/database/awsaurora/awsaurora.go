package awsaurora

import (
	"fmt"

	"bkp/internal/jdbc"
	"bkp/providers"
	"bkp/providers/database/internal/rds"
	"bkp/providers/internal/aws"
)

// Config is the block database "aws_aurora".
type Config struct {
	aws.Access
	Cluster string  `hcl:"cluster" help:"name of the cluster in RDS" example:"bitbucket"`
	Method  string  `hcl:"method,optional" help:"point_in_time chooses a time that Aurora can restore, or snapshot takes one, for which users wait longer"`
	Restore Restore `hcl:"restore,block" help:"the new cluster that a restore makes"`
}

// Restore describes the cluster that a restore makes.
type Restore struct {
	Identifier     string   `hcl:"identifier,optional" help:"its name" unset:"that of the cluster, followed by -restored"`
	Members        int      `hcl:"members,optional" help:"how many instances it gets; the first one writes"`
	Class          string   `hcl:"class,optional" help:"class of its instances" unset:"that of an instance of the cluster" example:"db.r7g.large"`
	SubnetGroup    string   `hcl:"subnet_group,optional" help:"its subnet group" unset:"that of the cluster"`
	SecurityGroups []string `hcl:"security_groups,optional" help:"its security groups" unset:"those of the cluster" example:"[\"sg-0123456789abcdef0\"]"`
	ParameterGroup string   `hcl:"parameter_group,optional" help:"its cluster parameter group" unset:"that of the cluster"`
	KMSKeyID       string   `hcl:"kms_key_id,optional" help:"key that encrypts a snapshot that is copied back from another region or account" unset:"as the copy is" example:"alias/bkp"`
	Properties     string   `hcl:"properties,optional" help:"bitbucket.properties whose jdbc.url is to lead to the new cluster" unset:"what to change is printed" example:"/var/atlassian/application-data/bitbucket/shared/bitbucket.properties"`
}

var (
	_ providers.ConfigValidator = (*Config)(nil)
	_ providers.Permitted       = (*Config)(nil)
)

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	out := append(c.Access.ValidateConfig(), c.common().Validate(c.Method)...)
	const most = 16
	if m := c.Restore.Members; m < 1 || m > most {
		out = append(out, providers.ConfigProblem{Attribute: "restore.members", Summary: "not a number of instances", Detail: fmt.Sprintf("%d instances", m), Remedy: fmt.Sprintf("give a number from 1 to %d: a cluster without one takes no connection", most)})
	}
	return out
}

// common is the configuration as instances and clusters have it.
func (c *Config) common() rds.Config {
	r := c.Restore
	return rds.Config{
		Access: c.Access, Kind: aws.Clusters, Name: `database "aws_aurora"`, Database: c.Cluster, Attribute: "cluster", Snapshot: c.Method == rds.OfSnapshot,
		Restore: rds.Restore{
			Identifier: r.Identifier, Members: r.Members, Class: r.Class, SubnetGroup: r.SubnetGroup, SecurityGroups: r.SecurityGroups, ParameterGroup: r.ParameterGroup,
			Key: r.KMSKeyID, Properties: r.Properties,
		},
	}
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Databases, "aws_aurora", "a cluster of Amazon Aurora, as a point in time or a snapshot", Config{Method: rds.PointInTime, Restore: Restore{Members: 1}},
		func(c Config, env providers.Env) (providers.Strategy, error) { return rds.New(c.common(), env), nil }, providers.Yields(providers.Native), providers.Does(providers.Finish),
		providers.Engines(jdbc.PostgreSQL, jdbc.MySQL, jdbc.MariaDB),
		providers.Configured(func(c Config) []providers.Option { return rds.Options(c.Method) }))
}

// Policy implements providers.Permitted.
func (c *Config) Policy() providers.Policy {
	cluster, snapshots := "arn:aws:rds:*:*:cluster:"+c.Cluster, "arn:aws:rds:*:*:cluster-snapshot:bkp-*"
	made, members := "arn:aws:rds:*:*:cluster:"+c.common().Target(""), "arn:aws:rds:*:*:db:"+c.common().Target("")+"-*"
	rights := []aws.Statement{
		{Name: "Look", Reason: "see the cluster, its instances and the snapshots of its backups", Tried: true, Actions: []string{"rds:DescribeDBClusters", "rds:DescribeDBInstances", "rds:DescribeDBClusterSnapshots"}},
		{Name: "Keep", Reason: "keep in tags what is a backup", Actions: []string{"rds:AddTagsToResource", "rds:RemoveTagsFromResource"}, Resources: []string{cluster, snapshots, made, members}},
	}
	from := "rds:RestoreDBClusterToPointInTime"
	if c.Method == rds.OfSnapshot {
		from = "rds:RestoreDBClusterFromSnapshot"
		rights = append(rights, aws.Statement{Name: "TakeSnapshots", Reason: "take the snapshot of a backup, and delete it", Actions: []string{"rds:CreateDBClusterSnapshot", "rds:DeleteDBClusterSnapshot"}, Resources: []string{cluster, snapshots}})
	}
	return aws.PolicyOf(append(rights,
		aws.Statement{Name: "Restore", Reason: "make a new cluster of a backup", Actions: []string{from, "rds:CreateDBInstance"},
			Resources: []string{cluster, snapshots, made, members, "arn:aws:rds:*:*:cluster-pg:*", "arn:aws:rds:*:*:pg:*", "arn:aws:rds:*:*:og:*", "arn:aws:rds:*:*:subgrp:*"}},
		aws.Statement{Name: "DeleteRestored", Reason: "delete it again when a restore fails", Actions: []string{"rds:DeleteDBCluster", "rds:DeleteDBInstance"}, Resources: []string{made, members},
			Conditions: map[string]map[string]any{"Null": {"aws:ResourceTag/" + rds.TagRestored: "false"}}}))
}
