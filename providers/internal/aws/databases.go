package aws

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"
)

// Database is an instance of RDS.
type Database struct {
	ID, ARN string
	// Resource is its identity, which another name does not change.
	Resource string
	Status   string
	Engine   string
	Version  string
	// Endpoint is HOST:PORT, "" while it is created.
	Endpoint string
	// Retention is for how many days its state at any time can be restored; 0 if it cannot.
	Retention int
	// Latest is the newest time that can be restored.
	Latest time.Time
	Tags   map[string]string

	Class, SubnetGroup, ParameterGroup, OptionGroup string
	SecurityGroups                                  []string
	MultiZone                                       bool
}

// Available is the status of a database that is in use, and that of a snapshot of one that is
// complete.
const Available = "available"

// DatabaseSnapshot is one that somebody took.
type DatabaseSnapshot struct {
	ID, ARN, Database, Status string
	Tags                      map[string]string
}

// onceRDS lets the SDK send a request a single time.
func onceRDS(o *rds.Options) { o.Retryer = aws.NopRetryer{} }

func (c *Client) databases(ctx context.Context) (*rds.Client, error) {
	if err := c.connect(ctx); err != nil {
		return nil, err
	}
	return rds.NewFromConfig(c.config), nil
}

// Database describes an instance; false if no instance has this name.
func (c *Client) Database(ctx context.Context, id string) (Database, bool, error) {
	client, err := c.databases(ctx)
	if err != nil {
		return Database{}, false, err
	}
	out, err := client.DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{DBInstanceIdentifier: &id})
	if codeOf(err) == databaseNotFound {
		return Database{}, false, nil
	}
	if err != nil {
		return Database{}, false, explain(err, "rds:DescribeDBInstances", id)
	}
	if len(out.DBInstances) != 1 {
		return Database{}, false, nil
	}
	return databaseOf(out.DBInstances[0]), true, nil
}

func databaseOf(d types.DBInstance) Database {
	out := Database{
		ID: aws.ToString(d.DBInstanceIdentifier), ARN: aws.ToString(d.DBInstanceArn), Resource: aws.ToString(d.DbiResourceId), Status: aws.ToString(d.DBInstanceStatus),
		Engine: aws.ToString(d.Engine), Version: aws.ToString(d.EngineVersion), Retention: int(aws.ToInt32(d.BackupRetentionPeriod)),
		Latest: aws.ToTime(d.LatestRestorableTime), Tags: rdsTags(d.TagList), Class: aws.ToString(d.DBInstanceClass), MultiZone: aws.ToBool(d.MultiAZ),
	}
	if d.Endpoint != nil {
		out.Endpoint = fmt.Sprintf("%s:%d", aws.ToString(d.Endpoint.Address), aws.ToInt32(d.Endpoint.Port))
	}
	if d.DBSubnetGroup != nil {
		out.SubnetGroup = aws.ToString(d.DBSubnetGroup.DBSubnetGroupName)
	}
	for _, g := range d.VpcSecurityGroups {
		out.SecurityGroups = append(out.SecurityGroups, aws.ToString(g.VpcSecurityGroupId))
	}
	for _, g := range d.DBParameterGroups {
		out.ParameterGroup = aws.ToString(g.DBParameterGroupName)
	}
	for _, g := range d.OptionGroupMemberships {
		out.OptionGroup = aws.ToString(g.OptionGroupName)
	}
	return out
}

func rdsTags(list []types.Tag) map[string]string {
	out := map[string]string{}
	for _, t := range list {
		out[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return out
}

func (c *Client) rdsTagList(tags map[string]string) []types.Tag {
	var out []types.Tag
	for _, all := range []map[string]string{c.access.Tags, tags} {
		for key, value := range all {
			out = append(out, types.Tag{Key: aws.String(key), Value: aws.String(value)})
		}
	}
	return out
}

// DatabaseSnapshots are those of an instance that somebody took, not those that Amazon takes by
// itself.
func (c *Client) DatabaseSnapshots(ctx context.Context, database string) ([]DatabaseSnapshot, error) {
	client, err := c.databases(ctx)
	if err != nil {
		return nil, err
	}
	pages := rds.NewDescribeDBSnapshotsPaginator(client, &rds.DescribeDBSnapshotsInput{DBInstanceIdentifier: &database, SnapshotType: aws.String("manual")})
	var out []DatabaseSnapshot
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, explain(err, "rds:DescribeDBSnapshots", database)
		}
		for _, s := range page.DBSnapshots {
			out = append(out, DatabaseSnapshot{
				ID: aws.ToString(s.DBSnapshotIdentifier), ARN: aws.ToString(s.DBSnapshotArn), Database: aws.ToString(s.DBInstanceIdentifier),
				Status: aws.ToString(s.Status), Tags: rdsTags(s.TagList),
			})
		}
	}
	return out, nil
}

// CreateDatabaseSnapshot begins one. It is sent once. After an error that Amazon did not
// answer (see Answered) it may be there nevertheless.
func (c *Client) CreateDatabaseSnapshot(ctx context.Context, database, id string, tags map[string]string) error {
	client, err := c.databases(ctx)
	if err != nil {
		return err
	}
	_, err = client.CreateDBSnapshot(ctx, &rds.CreateDBSnapshotInput{DBInstanceIdentifier: &database, DBSnapshotIdentifier: &id, Tags: c.rdsTagList(tags)}, onceRDS)
	return explain(err, "rds:CreateDBSnapshot", database)
}

// DeleteDatabaseSnapshot deletes one; one that is gone is deleted.
func (c *Client) DeleteDatabaseSnapshot(ctx context.Context, id string) error {
	client, err := c.databases(ctx)
	if err != nil {
		return err
	}
	_, err = client.DeleteDBSnapshot(ctx, &rds.DeleteDBSnapshotInput{DBSnapshotIdentifier: &id})
	if codeOf(err) == databaseSnapshotNotFound {
		return nil
	}
	return explain(err, "rds:DeleteDBSnapshot", id)
}

// TagDatabase sets tags of an instance or a snapshot.
func (c *Client) TagDatabase(ctx context.Context, arn string, tags map[string]string) error {
	client, err := c.databases(ctx)
	if err != nil {
		return err
	}
	var list []types.Tag
	for key, value := range tags {
		list = append(list, types.Tag{Key: aws.String(key), Value: aws.String(value)})
	}
	_, err = client.AddTagsToResource(ctx, &rds.AddTagsToResourceInput{ResourceName: &arn, Tags: list})
	return explain(err, "rds:AddTagsToResource", arn)
}

// UntagDatabase removes tags by their keys. Idempotent.
func (c *Client) UntagDatabase(ctx context.Context, arn string, keys ...string) error {
	client, err := c.databases(ctx)
	if err != nil {
		return err
	}
	_, err = client.RemoveTagsFromResource(ctx, &rds.RemoveTagsFromResourceInput{ResourceName: &arn, TagKeys: keys})
	return explain(err, "rds:RemoveTagsFromResource", arn)
}

// NewDatabase is an instance to be made of a backup: of a snapshot, or of another one at
// a time.
type NewDatabase struct {
	ID string
	// Snapshot, or From and At.
	Snapshot, From string
	At             time.Time
	// Like has the class and the groups.
	Like Database
	Tags map[string]string
}

// RestoreDatabase begins to make an instance. It is sent once: its name is refused a second
// time.
func (c *Client) RestoreDatabase(ctx context.Context, n NewDatabase) error {
	client, err := c.databases(ctx)
	if err != nil {
		return err
	}
	l := n.Like
	if n.Snapshot != "" {
		_, err = client.RestoreDBInstanceFromDBSnapshot(ctx, &rds.RestoreDBInstanceFromDBSnapshotInput{
			DBInstanceIdentifier: &n.ID, DBSnapshotIdentifier: &n.Snapshot, DBInstanceClass: set(l.Class), DBSubnetGroupName: set(l.SubnetGroup),
			DBParameterGroupName: set(l.ParameterGroup), OptionGroupName: set(l.OptionGroup), VpcSecurityGroupIds: l.SecurityGroups, MultiAZ: &l.MultiZone, Tags: c.rdsTagList(n.Tags),
		}, onceRDS)
		return explain(err, "rds:RestoreDBInstanceFromDBSnapshot", n.ID)
	}
	_, err = client.RestoreDBInstanceToPointInTime(ctx, &rds.RestoreDBInstanceToPointInTimeInput{
		SourceDBInstanceIdentifier: &n.From, TargetDBInstanceIdentifier: &n.ID, RestoreTime: &n.At, DBInstanceClass: set(l.Class), DBSubnetGroupName: set(l.SubnetGroup),
		DBParameterGroupName: set(l.ParameterGroup), OptionGroupName: set(l.OptionGroup), VpcSecurityGroupIds: l.SecurityGroups, MultiAZ: &l.MultiZone, Tags: c.rdsTagList(n.Tags),
	}, onceRDS)
	return explain(err, "rds:RestoreDBInstanceToPointInTime", n.ID)
}

// set leaves out what is not known.
func set(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// DeleteDatabase begins to delete an instance, without a last snapshot of it. The caller made
// it.
func (c *Client) DeleteDatabase(ctx context.Context, id string) error {
	client, err := c.databases(ctx)
	if err != nil {
		return err
	}
	_, err = client.DeleteDBInstance(ctx, &rds.DeleteDBInstanceInput{DBInstanceIdentifier: &id, SkipFinalSnapshot: aws.Bool(true), DeleteAutomatedBackups: aws.Bool(true)})
	if codeOf(err) == databaseNotFound {
		return nil
	}
	return explain(err, "rds:DeleteDBInstance", id)
}
