package aws

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"bkp/internal/problem"
)

// Lock keeps snapshots of volumes from being deleted, by anybody.
type Lock struct {
	Mode string `hcl:"mode,optional" help:"governance, which some rights lift, or compliance, which nobody lifts" unset:"governance"`
	Days int    `hcl:"days" help:"for how many days from then on" example:"14"`
}

// Validate names what is wrong with a lock; nil is none.
func (l *Lock) Validate() (attribute, detail, remedy string) {
	const longest = 36500
	switch {
	case l == nil:
	case !slices.Contains([]string{"", string(types.LockModeGovernance), string(types.LockModeCompliance)}, l.Mode):
		return "lock.mode", fmt.Sprintf("%q is not known", l.Mode), "write governance or compliance"
	case l.Days < 1 || l.Days > longest:
		return "lock.days", fmt.Sprintf("%d days", l.Days), fmt.Sprintf("give a number from 1 to %d", longest)
	}
	return "", "", ""
}

// locked are until when snapshots of volumes are locked, by their ids.
func (c *Client) locked(ctx context.Context, ids []string) (map[string]time.Time, error) {
	out := map[string]time.Time{}
	if len(ids) == 0 {
		return out, nil
	}
	if err := c.connect(ctx); err != nil {
		return nil, err
	}
	in := &ec2.DescribeLockedSnapshotsInput{SnapshotIds: ids}
	for {
		page, err := c.ec2.DescribeLockedSnapshots(ctx, in)
		if err != nil {
			return nil, explain(err, "ec2:DescribeLockedSnapshots", "")
		}
		for _, s := range page.Snapshots {
			if s.LockState != types.LockStateExpired {
				out[aws.ToString(s.SnapshotId)] = aws.ToTime(s.LockExpiresOn)
			}
		}
		if aws.ToString(page.NextToken) == "" {
			return out, nil
		}
		in.NextToken = page.NextToken
	}
}

const (
	lockDue  = "due"
	lockDone = "locked"
)

// Due are the tags of snapshots that are to be locked; LockDue locks those of a process that
// was killed before it did. A nil lock has none.
func (l *Lock) Due() map[string]string {
	if l == nil {
		return nil
	}
	return map[string]string{TagLock: fmt.Sprintf("%s %d %s", lockDue, l.Days, l.mode())}
}

func (l *Lock) mode() types.LockMode {
	return types.LockMode(cmp.Or(l.Mode, string(types.LockModeGovernance)))
}

// LockDue locks those of the snapshots that are due, by their ids and with their tags.
func (c *Client) LockDue(ctx context.Context, snapshots map[string]map[string]string) error {
	for id, tags := range snapshots {
		var l Lock
		if n, err := fmt.Sscanf(tags[TagLock], lockDue+" %d %s", &l.Days, &l.Mode); err != nil || n != 2 {
			continue
		}
		if err := c.LockSnapshots(ctx, []string{id}, &l); err != nil {
			return err
		}
	}
	return nil
}

// LockSnapshots locks those that are not locked, and says so in their tags; a nil lock locks
// none.
func (c *Client) LockSnapshots(ctx context.Context, ids []string, l *Lock) error {
	if l == nil || len(ids) == 0 {
		return nil
	}
	already, err := c.locked(ctx, ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, ok := already[id]; ok {
			continue
		}
		_, err := c.ec2.LockSnapshot(ctx, &ec2.LockSnapshotInput{SnapshotId: &id, LockMode: l.mode(), LockDuration: aws.Int32(int32(l.Days))})
		if err != nil {
			return explain(err, "ec2:LockSnapshot", id)
		}
	}
	return c.Tag(ctx, ids, map[string]string{TagLock: lockDone})
}

// Unlocked returns a problem if one of the snapshots is locked: nobody can delete it then.
// Who may not look finds out by deleting.
func (c *Client) Unlocked(ctx context.Context, ids []string) error {
	locked, err := c.locked(ctx, ids)
	if Denied(err) {
		return nil
	}
	for id, until := range locked {
		return problem.New("snapshot is locked", fmt.Sprintf("%s is locked until %s", id, until.UTC().Format("2006-01-02 15:04 MST")), "wait until then, and remove the backup again:\n\n    bkp prune\n")
	}
	return err
}
