package aws

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"
)

// clusters are the calls for clusters of Aurora. An instance of one is never asked for a
// snapshot: Amazon refuses that.
type clusters struct{ c *Client }

// Find implements Databases.
func (l clusters) Find(ctx context.Context, id string) (Database, bool, error) {
	client, err := l.c.databases(ctx)
	if err != nil {
		return Database{}, false, err
	}
	out, err := client.DescribeDBClusters(ctx, &rds.DescribeDBClustersInput{DBClusterIdentifier: &id})
	if codeOf(err) == clusterNotFound {
		return Database{}, false, nil
	}
	if err != nil {
		return Database{}, false, explain(err, "rds:DescribeDBClusters", id)
	}
	if len(out.DBClusters) != 1 {
		return Database{}, false, nil
	}
	return clusterOf(out.DBClusters[0]), true, nil
}

func clusterOf(d types.DBCluster) Database {
	out := Database{
		ID: aws.ToString(d.DBClusterIdentifier), ARN: aws.ToString(d.DBClusterArn), Resource: aws.ToString(d.DbClusterResourceId), Status: aws.ToString(d.Status),
		Engine: aws.ToString(d.Engine), Version: aws.ToString(d.EngineVersion), Retention: int(aws.ToInt32(d.BackupRetentionPeriod)),
		Latest: aws.ToTime(d.LatestRestorableTime), Tags: rdsTags(d.TagList), SubnetGroup: aws.ToString(d.DBSubnetGroup), ParameterGroup: aws.ToString(d.DBClusterParameterGroup),
		MultiZone: true, // its storage lies in three
	}
	if e := aws.ToString(d.Endpoint); e != "" {
		out.Endpoint = fmt.Sprintf("%s:%d", e, aws.ToInt32(d.Port))
	}
	for _, g := range d.VpcSecurityGroups {
		out.SecurityGroups = append(out.SecurityGroups, aws.ToString(g.VpcSecurityGroupId))
	}
	for _, m := range d.DBClusterMembers {
		out.Members = append(out.Members, aws.ToString(m.DBInstanceIdentifier))
	}
	return out
}

// Snapshots implements Databases.
func (l clusters) Snapshots(ctx context.Context, database string) ([]DatabaseSnapshot, error) {
	client, err := l.c.databases(ctx)
	if err != nil {
		return nil, err
	}
	pages := rds.NewDescribeDBClusterSnapshotsPaginator(client, &rds.DescribeDBClusterSnapshotsInput{DBClusterIdentifier: set(database), SnapshotType: aws.String("manual")})
	var out []DatabaseSnapshot
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, explain(err, "rds:DescribeDBClusterSnapshots", database)
		}
		for _, s := range page.DBClusterSnapshots {
			out = append(out, DatabaseSnapshot{
				ID: aws.ToString(s.DBClusterSnapshotIdentifier), ARN: aws.ToString(s.DBClusterSnapshotArn), Database: aws.ToString(s.DBClusterIdentifier),
				Status: aws.ToString(s.Status), Tags: rdsTags(s.TagList),
			})
		}
	}
	return out, nil
}

// TakeSnapshot implements Databases.
func (l clusters) TakeSnapshot(ctx context.Context, database, id string, tags map[string]string) error {
	client, err := l.c.databases(ctx)
	if err != nil {
		return err
	}
	_, err = client.CreateDBClusterSnapshot(ctx, &rds.CreateDBClusterSnapshotInput{DBClusterIdentifier: &database, DBClusterSnapshotIdentifier: &id, Tags: l.c.rdsTagList(tags)}, onceRDS)
	return explain(err, "rds:CreateDBClusterSnapshot", database)
}

// DeleteSnapshot implements Databases.
func (l clusters) DeleteSnapshot(ctx context.Context, id string) error {
	client, err := l.c.databases(ctx)
	if err != nil {
		return err
	}
	_, err = client.DeleteDBClusterSnapshot(ctx, &rds.DeleteDBClusterSnapshotInput{DBClusterSnapshotIdentifier: &id})
	if codeOf(err) == clusterSnapshotNotFound {
		return nil
	}
	return explain(err, "rds:DeleteDBClusterSnapshot", id)
}

// CopySnapshot implements Databases.
func (l clusters) CopySnapshot(ctx context.Context, n NewCopy) error {
	client, err := l.c.databases(ctx)
	if err != nil {
		return err
	}
	_, err = client.CopyDBClusterSnapshot(ctx, &rds.CopyDBClusterSnapshotInput{
		SourceDBClusterSnapshotIdentifier: &n.Of.ARN, TargetDBClusterSnapshotIdentifier: &n.Name, SourceRegion: l.c.sourceRegion(n.Region), KmsKeyId: set(n.Key), Tags: l.c.rdsTagList(n.Tags),
	}, onceRDS)
	return explain(err, "rds:CopyDBClusterSnapshot", n.Of.ID)
}

// ShareSnapshot implements Databases.
func (l clusters) ShareSnapshot(ctx context.Context, id, account string, shared bool) error {
	client, err := l.c.databases(ctx)
	if err != nil {
		return err
	}
	add, remove := attribute(account, shared)
	_, err = client.ModifyDBClusterSnapshotAttribute(ctx, &rds.ModifyDBClusterSnapshotAttributeInput{DBClusterSnapshotIdentifier: &id, AttributeName: aws.String("restore"), ValuesToAdd: add, ValuesToRemove: remove})
	return explain(err, "rds:ModifyDBClusterSnapshotAttribute", id)
}

// Restore implements Databases. The cluster has no members at first.
func (l clusters) Restore(ctx context.Context, n NewDatabase) error {
	client, err := l.c.databases(ctx)
	if err != nil {
		return err
	}
	k := n.Like
	if n.Snapshot != "" {
		_, err = client.RestoreDBClusterFromSnapshot(ctx, &rds.RestoreDBClusterFromSnapshotInput{
			DBClusterIdentifier: &n.ID, SnapshotIdentifier: &n.Snapshot, Engine: set(k.Engine), EngineVersion: set(k.Version), DBSubnetGroupName: set(k.SubnetGroup),
			DBClusterParameterGroupName: set(k.ParameterGroup), VpcSecurityGroupIds: k.SecurityGroups, Tags: l.c.rdsTagList(n.Tags),
		}, onceRDS)
		return explain(err, "rds:RestoreDBClusterFromSnapshot", n.ID)
	}
	_, err = client.RestoreDBClusterToPointInTime(ctx, &rds.RestoreDBClusterToPointInTimeInput{
		SourceDBClusterIdentifier: &n.From, DBClusterIdentifier: &n.ID, RestoreToTime: &n.At, DBSubnetGroupName: set(k.SubnetGroup),
		DBClusterParameterGroupName: set(k.ParameterGroup), VpcSecurityGroupIds: k.SecurityGroups, Tags: l.c.rdsTagList(n.Tags),
	}, onceRDS)
	return explain(err, "rds:RestoreDBClusterToPointInTime", n.ID)
}

// AddMember implements Databases.
func (l clusters) AddMember(ctx context.Context, id string, n NewDatabase) error {
	client, err := l.c.databases(ctx)
	if err != nil {
		return err
	}
	_, err = client.CreateDBInstance(ctx, &rds.CreateDBInstanceInput{DBInstanceIdentifier: &id, DBClusterIdentifier: &n.ID, DBInstanceClass: &n.Like.Class, Engine: &n.Like.Engine, Tags: l.c.rdsTagList(n.Tags)}, onceRDS)
	return explain(err, "rds:CreateDBInstance", id)
}

// Delete implements Databases: a cluster cannot be deleted before its members are.
func (l clusters) Delete(ctx context.Context, d Database) error {
	client, err := l.c.databases(ctx)
	if err != nil {
		return err
	}
	for _, id := range d.Members {
		_, err := client.DeleteDBInstance(ctx, &rds.DeleteDBInstanceInput{DBInstanceIdentifier: &id})
		if code := codeOf(err); code != databaseNotFound && code != databaseBusy {
			if err := explain(err, "rds:DeleteDBInstance", id); err != nil {
				return err
			}
		}
	}
	_, err = client.DeleteDBCluster(ctx, &rds.DeleteDBClusterInput{DBClusterIdentifier: &d.ID, SkipFinalSnapshot: aws.Bool(true), DeleteAutomatedBackups: aws.Bool(true)})
	if codeOf(err) == clusterNotFound {
		return nil
	}
	return explain(err, "rds:DeleteDBCluster", d.ID)
}
