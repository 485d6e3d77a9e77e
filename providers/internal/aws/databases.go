package aws

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"
)

// Database is an instance of RDS, or a cluster of Aurora.
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

	// Members are the instances of a cluster.
	Members []string
}

// Available is the status of a database that is in use, and that of a snapshot of one that is
// complete.
const Available = "available"

// DatabaseSnapshot is one that somebody took.
type DatabaseSnapshot struct {
	ID, ARN, Database, Status string
	Tags                      map[string]string
}

// Databases are the calls of RDS that differ between instances and clusters of Aurora.
type Databases interface {
	// Find describes a database; false if none has this name.
	Find(ctx context.Context, id string) (Database, bool, error)
	// Snapshots are those of a database that somebody took, not those that Amazon takes
	// by itself; of all databases, if it is "".
	Snapshots(ctx context.Context, database string) ([]DatabaseSnapshot, error)
	// TakeSnapshot begins one. It is sent once. After an error that Amazon did not
	// answer (see Answered) it may be there nevertheless.
	TakeSnapshot(ctx context.Context, database, id string, tags map[string]string) error
	// DeleteSnapshot deletes one; one that is gone is deleted.
	DeleteSnapshot(ctx context.Context, id string) error
	// CopySnapshot begins a copy in the region and account of the client. It is sent
	// once: its name is refused a second time.
	CopySnapshot(ctx context.Context, n NewCopy) error
	// ShareSnapshot lets another account use a snapshot, or ends that. Idempotent.
	ShareSnapshot(ctx context.Context, id, account string, shared bool) error
	// Restore begins to make a database. It is sent once: its name is refused a second
	// time.
	Restore(ctx context.Context, n NewDatabase) error
	// AddMember begins to make an instance of a cluster. It is sent once. Instances of
	// RDS have no members.
	AddMember(ctx context.Context, id string, n NewDatabase) error
	// Delete begins to delete a database, with its members, without a last snapshot of
	// it. The caller made it.
	Delete(ctx context.Context, d Database) error
}

// Databases returns the calls for Instances or for Clusters.
func (c *Client) Databases(k Kind) Databases {
	if k == Clusters {
		return clusters{c}
	}
	return instances{c}
}

// onceRDS lets the SDK send a request a single time.
func onceRDS(o *rds.Options) { o.Retryer = aws.NopRetryer{} }

func (c *Client) databases(ctx context.Context) (*rds.Client, error) {
	if err := c.connect(ctx); err != nil {
		return nil, err
	}
	return rds.NewFromConfig(c.config), nil
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

// TagDatabase sets tags of a database or a snapshot.
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

// NewDatabase is a database to be made of a backup: of a snapshot, or of another one at
// a time.
type NewDatabase struct {
	ID string
	// Snapshot, or From and At.
	Snapshot, From string
	At             time.Time
	// Like has the class and the groups, and of a cluster the engine.
	Like Database
	Tags map[string]string
}

// set leaves out what is not known.
func set(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// sourceRegion is for a copy from another region alone: for that the SDK signs a second
// request.
func (c *Client) sourceRegion(from string) *string {
	if from == c.config.Region {
		return nil
	}
	return &from
}

// attribute are the accounts to add to those that may restore a snapshot, or to remove.
func attribute(account string, shared bool) (add, remove []string) {
	if shared {
		return []string{account}, nil
	}
	return nil, []string{account}
}
