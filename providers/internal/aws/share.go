package aws

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// share lets another account use a snapshot for a transfer, and says so in a tag of it
// before.
func (t Transfer) share(ctx context.Context, o Original, account string) error {
	if err := t.From.TagCopies(ctx, []Original{o}, map[string]string{tagShared + t.Maker: account}); err != nil {
		return err
	}
	return t.From.setShared(ctx, o, account, true)
}

func (c *Client) setShared(ctx context.Context, o Original, account string, shared bool) error {
	if o.Kind != Volumes {
		return c.Databases(o.Kind).ShareSnapshot(ctx, o.ID, account, shared)
	}
	if err := c.connect(ctx); err != nil {
		return err
	}
	in := &ec2.ModifySnapshotAttributeInput{SnapshotId: &o.ID, Attribute: types.SnapshotAttributeNameCreateVolumePermission, UserIds: []string{account}, OperationType: types.OperationTypeRemove}
	if shared {
		in.OperationType = types.OperationTypeAdd
	}
	_, err := c.ec2.ModifySnapshotAttribute(ctx, in)
	return explain(err, "ec2:ModifySnapshotAttribute", o.ID)
}

// endSharing ends what share began.
func (t Transfer) endSharing(ctx context.Context, o Original, account string) error {
	tags, err := t.From.tagsNow(ctx, o)
	if err != nil {
		return err
	}
	key := tagShared + t.Maker
	tags[key] = account // whether it is shown already or not
	return t.From.unshare(ctx, Copy{Original: o, Tags: tags}, key)
}

// tagsNow are those of a snapshot as they are now, none for one that is not there.
func (c *Client) tagsNow(ctx context.Context, o Original) (map[string]string, error) {
	if o.Kind == Volumes {
		s, there, err := c.Snapshot(ctx, o.ID)
		if err != nil || !there {
			return map[string]string{}, err
		}
		return s.Tags, nil
	}
	list, err := c.Databases(o.Kind).Snapshots(ctx, "")
	for _, s := range list {
		if s.ID == o.ID {
			return s.Tags, err
		}
	}
	return map[string]string{}, err
}

// EndSharing ends what transfers of a maker shared, of snapshots for which is true. A
// snapshot stays shared with an account for which another maker shares it, too.
func (c *Client) EndSharing(ctx context.Context, kind Kind, maker string, is func(Copy) bool) error {
	key := tagShared + maker
	shared, err := c.having(ctx, key, []Kind{kind})
	if err != nil {
		return err
	}
	for _, s := range shared {
		if !is(s) {
			continue
		}
		if err := c.unshare(ctx, s, key); err != nil {
			return err
		}
	}
	return nil
}

// unshare ends what share began, and then removes its tag.
func (c *Client) unshare(ctx context.Context, s Copy, key string) error {
	if !neededByOthers(s.Tags, key) {
		if err := c.setShared(ctx, s.Original, s.Tags[key], false); err != nil {
			return err
		}
	}
	if s.Kind != Volumes {
		return c.UntagDatabase(ctx, s.ARN, key)
	}
	_, err := c.ec2.DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: []string{s.ID}, Tags: []types.Tag{{Key: &key}}})
	return explain(err, "ec2:DeleteTags", s.ID)
}

// neededByOthers reports whether another transfer shares with the account of key.
func neededByOthers(tags map[string]string, key string) bool {
	for other, account := range tags {
		if other != key && strings.HasPrefix(other, tagShared) && account == tags[key] {
			return true
		}
	}
	return false
}
