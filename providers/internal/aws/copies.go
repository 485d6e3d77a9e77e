package aws

import (
	"context"
	"maps"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// Kind is what a snapshot is of.
type Kind string

// The kinds of snapshots that can be copied.
const (
	Volumes   Kind = "volume"
	Instances Kind = "instance"
	Clusters  Kind = "cluster"
)

// TagBackup is of an original: its backup.
const TagBackup = "bkp:backup"

// The tags of copies. None of them is one of an original, so that what looks for originals
// finds no copy, also where both are of one account and region.
const (
	// TagCopy is the backup that a copy is of, TagHolder who made it: an archive, or a
	// restore for a while.
	TagCopy   = "bkp:copy"
	TagHolder = "bkp:holder"
	// TagPart is the address of the component.
	TagPart = "bkp:part"
	// TagMaker is the state folder of who made it; see mark.Owner.
	TagMaker = "bkp:maker"
	// TagOf is the volume or database, TagOriginal the snapshot that was copied.
	TagOf       = "bkp:of"
	TagOriginal = "bkp:original"
	// tagShared, followed by the maker of a transfer, is of a snapshot while another account
	// may use it for that transfer: that account.
	tagShared = "bkp:shared:"
	// TagLock is of a snapshot that is to be locked; see Lock.Due.
	TagLock = "bkp:lock"
)

// Original is a snapshot that can be copied, and Copy one that was.
type Original struct {
	Kind Kind   `json:"kind"`
	ID   string `json:"id"`
	// ARN of a snapshot of a database.
	ARN string `json:"arn,omitempty"`
	// Of is the volume or the database.
	Of string `json:"of"`
}

// Copy is one in its account and region, as it is now.
type Copy struct {
	Original
	State State
	Why   string
	Tags  map[string]string
}

// State is how far a copy is.
type State int

// The states of copies.
const (
	Underway State = iota
	Ready
	Broken
)

// Copies are all of these kinds that bkp made in the account and region.
func (c *Client) Copies(ctx context.Context, kinds ...Kind) ([]Copy, error) {
	return c.having(ctx, TagCopy, kinds)
}

// having are the snapshots with a tag of this key.
func (c *Client) having(ctx context.Context, key string, kinds []Kind) ([]Copy, error) {
	var out []Copy
	for _, k := range kinds {
		found, err := c.ofKind(ctx, key, k)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

func (c *Client) ofKind(ctx context.Context, key string, k Kind) ([]Copy, error) {
	var out []Copy
	if k == Volumes {
		list, err := c.Snapshots(ctx, key)
		for _, s := range list {
			one := Copy{Original: Original{Kind: k, ID: s.ID, Of: s.Tags[TagOf]}, Why: s.State + " " + s.Why, Tags: s.Tags, State: Broken}
			switch s.State {
			case Completed:
				one.State = Ready
			case Pending:
				one.State = Underway
			}
			out = append(out, one)
		}
		return out, err
	}
	list, err := c.Databases(k).Snapshots(ctx, "")
	for _, s := range list {
		if _, ok := s.Tags[key]; !ok {
			continue
		}
		one := Copy{Original: Original{Kind: k, ID: s.ID, ARN: s.ARN, Of: s.Tags[TagOf]}, Why: s.Status, Tags: s.Tags}
		switch s.Status {
		case Available:
			one.State = Ready
		case "failed", "incompatible-restore", "incompatible-parameters":
			one.State = Broken
		}
		out = append(out, one)
	}
	return out, err
}

// NewCopy is a copy to be made in the region and account of the client.
type NewCopy struct {
	Of Original
	// Region that the original is of.
	Region string
	// Name of the copy, for databases.
	Name string
	// Key encrypts the copy; "" is for as the original, with the account's own key.
	Key string
	// Minutes within which the copy of a volume's snapshot is to be there, at a price; 0 for
	// as soon as it can be.
	Minutes int32
	Tags    map[string]string
}

// Copy begins a copy. It is sent once. After an error that Amazon did not answer (see
// Answered) it may be there nevertheless.
func (c *Client) Copy(ctx context.Context, n NewCopy) error {
	if n.Of.Kind != Volumes {
		return c.Databases(n.Of.Kind).CopySnapshot(ctx, n)
	}
	if err := c.connect(ctx); err != nil {
		return err
	}
	tags := maps.Clone(n.Tags)
	maps.Copy(tags, c.access.Tags)
	in := &ec2.CopySnapshotInput{
		SourceRegion: &n.Region, SourceSnapshotId: &n.Of.ID, TagSpecifications: specification(types.ResourceTypeSnapshot, tags),
		Description: aws.String("bkp " + n.Tags[TagCopy]),
	}
	if n.Key != "" {
		in.Encrypted, in.KmsKeyId = aws.Bool(true), &n.Key
	}
	if n.Minutes > 0 {
		in.CompletionDurationMinutes = &n.Minutes
	}
	_, err := c.ec2.CopySnapshot(ctx, in, once)
	return explain(err, "ec2:CopySnapshot", n.Of.ID)
}

// DeleteCopy deletes one; one that is gone is deleted.
func (c *Client) DeleteCopy(ctx context.Context, o Original) error {
	if o.Kind == Volumes {
		return c.DeleteSnapshot(ctx, o.ID)
	}
	return c.Databases(o.Kind).DeleteSnapshot(ctx, o.ID)
}

// TagCopies sets tags of snapshots, of volumes all in one call.
func (c *Client) TagCopies(ctx context.Context, of []Original, tags map[string]string) error {
	var volumes []string
	for _, o := range of {
		if o.Kind == Volumes {
			volumes = append(volumes, o.ID)
			continue
		}
		if err := c.TagDatabase(ctx, o.ARN, tags); err != nil {
			return err
		}
	}
	if len(volumes) == 0 {
		return nil
	}
	return c.Tag(ctx, volumes, tags)
}
