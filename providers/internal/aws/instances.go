package aws

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"
)

// instances are the calls for instances of RDS.
type instances struct{ c *Client }

// Find implements Databases.
func (i instances) Find(ctx context.Context, id string) (Database, bool, error) {
	client, err := i.c.databases(ctx)
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

// Snapshots implements Databases.
func (i instances) Snapshots(ctx context.Context, database string) ([]DatabaseSnapshot, error) {
	client, err := i.c.databases(ctx)
	if err != nil {
		return nil, err
	}
	pages := rds.NewDescribeDBSnapshotsPaginator(client, &rds.DescribeDBSnapshotsInput{DBInstanceIdentifier: set(database), SnapshotType: aws.String("manual")})
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

// TakeSnapshot implements Databases.
func (i instances) TakeSnapshot(ctx context.Context, database, id string, tags map[string]string) error {
	client, err := i.c.databases(ctx)
	if err != nil {
		return err
	}
	_, err = client.CreateDBSnapshot(ctx, &rds.CreateDBSnapshotInput{DBInstanceIdentifier: &database, DBSnapshotIdentifier: &id, Tags: i.c.rdsTagList(tags)}, onceRDS)
	return explain(err, "rds:CreateDBSnapshot", database)
}

// DeleteSnapshot implements Databases.
func (i instances) DeleteSnapshot(ctx context.Context, id string) error {
	client, err := i.c.databases(ctx)
	if err != nil {
		return err
	}
	_, err = client.DeleteDBSnapshot(ctx, &rds.DeleteDBSnapshotInput{DBSnapshotIdentifier: &id})
	if codeOf(err) == databaseSnapshotNotFound {
		return nil
	}
	return explain(err, "rds:DeleteDBSnapshot", id)
}

// CopySnapshot implements Databases.
func (i instances) CopySnapshot(ctx context.Context, n NewCopy) error {
	client, err := i.c.databases(ctx)
	if err != nil {
		return err
	}
	_, err = client.CopyDBSnapshot(ctx, &rds.CopyDBSnapshotInput{
		SourceDBSnapshotIdentifier: &n.Of.ARN, TargetDBSnapshotIdentifier: &n.Name, SourceRegion: i.c.sourceRegion(n.Region), KmsKeyId: set(n.Key), Tags: i.c.rdsTagList(n.Tags),
	}, onceRDS)
	return explain(err, "rds:CopyDBSnapshot", n.Of.ID)
}

// ShareSnapshot implements Databases.
func (i instances) ShareSnapshot(ctx context.Context, id, account string, shared bool) error {
	client, err := i.c.databases(ctx)
	if err != nil {
		return err
	}
	add, remove := attribute(account, shared)
	_, err = client.ModifyDBSnapshotAttribute(ctx, &rds.ModifyDBSnapshotAttributeInput{DBSnapshotIdentifier: &id, AttributeName: aws.String("restore"), ValuesToAdd: add, ValuesToRemove: remove})
	return explain(err, "rds:ModifyDBSnapshotAttribute", id)
}

// Restore implements Databases.
func (i instances) Restore(ctx context.Context, n NewDatabase) error {
	client, err := i.c.databases(ctx)
	if err != nil {
		return err
	}
	l := n.Like
	if n.Snapshot != "" {
		_, err = client.RestoreDBInstanceFromDBSnapshot(ctx, &rds.RestoreDBInstanceFromDBSnapshotInput{
			DBInstanceIdentifier: &n.ID, DBSnapshotIdentifier: &n.Snapshot, DBInstanceClass: set(l.Class), DBSubnetGroupName: set(l.SubnetGroup),
			DBParameterGroupName: set(l.ParameterGroup), OptionGroupName: set(l.OptionGroup), VpcSecurityGroupIds: l.SecurityGroups, MultiAZ: &l.MultiZone, Tags: i.c.rdsTagList(n.Tags),
		}, onceRDS)
		return explain(err, "rds:RestoreDBInstanceFromDBSnapshot", n.ID)
	}
	_, err = client.RestoreDBInstanceToPointInTime(ctx, &rds.RestoreDBInstanceToPointInTimeInput{
		SourceDBInstanceIdentifier: &n.From, TargetDBInstanceIdentifier: &n.ID, RestoreTime: &n.At, DBInstanceClass: set(l.Class), DBSubnetGroupName: set(l.SubnetGroup),
		DBParameterGroupName: set(l.ParameterGroup), OptionGroupName: set(l.OptionGroup), VpcSecurityGroupIds: l.SecurityGroups, MultiAZ: &l.MultiZone, Tags: i.c.rdsTagList(n.Tags),
	}, onceRDS)
	return explain(err, "rds:RestoreDBInstanceToPointInTime", n.ID)
}

// AddMember implements Databases.
func (instances) AddMember(context.Context, string, NewDatabase) error { return nil }

// Delete implements Databases.
func (i instances) Delete(ctx context.Context, d Database) error {
	client, err := i.c.databases(ctx)
	if err != nil {
		return err
	}
	return deleteInstance(ctx, client, d.ID)
}

func deleteInstance(ctx context.Context, client *rds.Client, id string) error {
	_, err := client.DeleteDBInstance(ctx, &rds.DeleteDBInstanceInput{DBInstanceIdentifier: &id, SkipFinalSnapshot: aws.Bool(true), DeleteAutomatedBackups: aws.Bool(true)})
	if codeOf(err) == databaseNotFound {
		return nil
	}
	return explain(err, "rds:DeleteDBInstance", id)
}
