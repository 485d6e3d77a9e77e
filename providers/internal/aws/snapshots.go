package aws

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// Snapshot of a volume.
type Snapshot struct {
	ID, Volume string
	// State is pending, completed, error, recoverable or recovering; Why says more
	// of an error.
	State, Why string
	Progress   string
	// GiB is the size of the volume.
	GiB     int64
	Started time.Time
	Tags    map[string]string
}

// The states of a snapshot that count.
const (
	Pending   = string(types.SnapshotStatePending)
	Completed = string(types.SnapshotStateCompleted)
)

// once lets the SDK send a request a single time.
func once(o *ec2.Options) { o.Retryer = aws.NopRetryer{} }

// Snapshots are those of this account with a tag of this key.
func (c *Client) Snapshots(ctx context.Context, tagKey string) ([]Snapshot, error) {
	return c.snapshots(ctx, filter("tag-key", tagKey))
}

// PendingOf are the snapshots of a volume that are not finished, also those that somebody else began.
func (c *Client) PendingOf(ctx context.Context, volume string) ([]Snapshot, error) {
	return c.snapshots(ctx, filter("volume-id", volume), filter("status", Pending))
}

func filter(name string, values ...string) types.Filter {
	return types.Filter{Name: &name, Values: values}
}

// Snapshot finds one by its id; false if it is not there.
func (c *Client) Snapshot(ctx context.Context, id string) (Snapshot, bool, error) {
	found, err := c.described(ctx, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{id}})
	if codeOf(err) == snapshotNotFound || err == nil && len(found) == 0 {
		return Snapshot{}, false, nil
	}
	if err != nil {
		return Snapshot{}, false, err
	}
	return found[0], true, nil
}

func (c *Client) snapshots(ctx context.Context, filters ...types.Filter) ([]Snapshot, error) {
	return c.described(ctx, &ec2.DescribeSnapshotsInput{OwnerIds: []string{"self"}, Filters: filters})
}

func (c *Client) described(ctx context.Context, in *ec2.DescribeSnapshotsInput) ([]Snapshot, error) {
	if err := c.connect(ctx); err != nil {
		return nil, err
	}
	pages := ec2.NewDescribeSnapshotsPaginator(c.ec2, in)
	var out []Snapshot
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, explain(err, "ec2:DescribeSnapshots", "")
		}
		for _, s := range page.Snapshots {
			out = append(out, Snapshot{
				ID: aws.ToString(s.SnapshotId), Volume: aws.ToString(s.VolumeId), State: string(s.State), Why: aws.ToString(s.StateMessage),
				Progress: aws.ToString(s.Progress), GiB: int64(aws.ToInt32(s.VolumeSize)), Started: aws.ToTime(s.StartTime), Tags: tagsOf(s.Tags),
			})
		}
	}
	return out, nil
}

func tagsOf(list []types.Tag) map[string]string {
	out := map[string]string{}
	for _, t := range list {
		out[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return out
}

func tagList(tags map[string]string) []types.Tag {
	var out []types.Tag
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, types.Tag{Key: aws.String(key), Value: aws.String(tags[key])})
	}
	return out
}

func specification(kind types.ResourceType, tags map[string]string) []types.TagSpecification {
	return []types.TagSpecification{{ResourceType: kind, Tags: tagList(tags)}}
}

// Request is one for the snapshots of a machine's volumes at one instant.
type Request struct {
	Instance string
	// Boot takes the volume that the machine starts from, too.
	Boot bool
	// Exclude are volumes that stay out.
	Exclude []string
	Tags    map[string]string
}

func (c *Client) input(r Request) *ec2.CreateSnapshotsInput {
	tags := maps.Clone(c.access.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	maps.Copy(tags, r.Tags)
	return &ec2.CreateSnapshotsInput{
		InstanceSpecification: &types.InstanceSpecification{InstanceId: &r.Instance, ExcludeBootVolume: aws.Bool(!r.Boot), ExcludeDataVolumeIds: r.Exclude},
		TagSpecifications:     specification(types.ResourceTypeSnapshot, tags),
		Description:           aws.String("bkp " + r.Tags["bkp:backup"]),
	}
}

// CreateSnapshots is sent once. After an error that Amazon did not answer (see
// Answered) they may be there nevertheless.
func (c *Client) CreateSnapshots(ctx context.Context, r Request) ([]Snapshot, error) {
	if err := c.connect(ctx); err != nil {
		return nil, err
	}
	made, err := c.ec2.CreateSnapshots(ctx, c.input(r), once)
	if err != nil {
		return nil, explain(err, "ec2:CreateSnapshots", r.Instance)
	}
	var out []Snapshot
	for _, s := range made.Snapshots {
		out = append(out, Snapshot{ID: aws.ToString(s.SnapshotId), Volume: aws.ToString(s.VolumeId), State: string(s.State), Started: aws.ToTime(s.StartTime), Tags: r.Tags})
	}
	return out, nil
}

// TryCreateSnapshots reports, without an effect, why CreateSnapshots would be refused; nil if
// it would not.
func (c *Client) TryCreateSnapshots(ctx context.Context, r Request) error {
	if err := c.connect(ctx); err != nil {
		return err
	}
	in := c.input(r)
	in.DryRun = aws.Bool(true)
	_, err := c.ec2.CreateSnapshots(ctx, in)
	return tried(err, "ec2:CreateSnapshots", r.Instance)
}

func tried(err error, right, about string) error {
	if codeOf(err) == dryRun {
		return nil
	}
	return explain(err, right, about)
}

// DeleteSnapshot deletes one; one that is gone is deleted.
func (c *Client) DeleteSnapshot(ctx context.Context, id string) error {
	if err := c.connect(ctx); err != nil {
		return err
	}
	_, err := c.ec2.DeleteSnapshot(ctx, &ec2.DeleteSnapshotInput{SnapshotId: &id})
	if codeOf(err) == snapshotNotFound {
		return nil
	}
	return explain(err, "ec2:DeleteSnapshot", id)
}

// TryDeleteSnapshot reports, without an effect, why a deletion would be refused.
func (c *Client) TryDeleteSnapshot(ctx context.Context, id string) error {
	if err := c.connect(ctx); err != nil {
		return err
	}
	_, err := c.ec2.DeleteSnapshot(ctx, &ec2.DeleteSnapshotInput{SnapshotId: &id, DryRun: aws.Bool(true)})
	return tried(err, "ec2:DeleteSnapshot", id)
}

// Tag sets tags of snapshots or volumes, all in one call.
func (c *Client) Tag(ctx context.Context, ids []string, tags map[string]string) error {
	if err := c.connect(ctx); err != nil {
		return err
	}
	_, err := c.ec2.CreateTags(ctx, &ec2.CreateTagsInput{Resources: ids, Tags: tagList(tags)})
	return explain(err, "ec2:CreateTags", "snapshots")
}
