package aws

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
)

// Copyable is a strategy whose artifacts are snapshots of Amazon that can be copied to
// another region or account, and restored from there.
type Copyable interface {
	// Access is where the snapshots are, and as whom they are asked for.
	Access() Access
	Kind() Kind
	// Copyable returns a problem for one that is configured so that nothing can be
	// copied.
	Copyable() error
	// Originals are what an artifact consists of, all of it complete.
	Originals(ctx context.Context, a providers.Artifact) ([]Original, error)
}

// RefCopies is the key of an artifact's Ref with a Copied, as JSON. A restore uses it if
// the originals are gone.
const RefCopies = "copies"

// Copied says where the copies of an artifact are.
type Copied struct {
	Access Access     `json:"access"`
	Copies []Original `json:"copies"`
}

// Transfer copies snapshots of one backup and component to another region or account.
type Transfer struct {
	From, To *Client
	// Backup, Part and Holder are in the tags of each copy; see TagCopy.
	Backup              providers.BackupID
	Part, Holder, Maker string
	// VolumeKey encrypts the copies of volumes, and DatabaseKey those of databases; "" is for
	// as the originals, with the account's own key.
	VolumeKey, DatabaseKey string
	// Minutes are those of NewCopy.
	Minutes int32
}

// Run makes copies of all, or uses those that an earlier Run made, and waits until they are
// complete. It shares what another account copies, and ends that.
func (t Transfer) Run(ctx context.Context, of []Original) (out []Copy, err error) {
	region, err := t.From.Region(ctx)
	if err != nil {
		return nil, err
	}
	stranger, err := t.stranger(ctx)
	if err != nil {
		return nil, err
	}
	there, err := t.there(ctx, of)
	if err != nil {
		return nil, err
	}
	for _, o := range of {
		c, begun := there[o.ID]
		if c.State == Ready && begun {
			continue
		}
		if stranger != "" {
			defer func() {
				err = errors.Join(err, t.endSharing(context.WithoutCancel(ctx), o, stranger))
			}()
			if err := t.share(ctx, o, stranger); err != nil {
				return nil, err
			}
		}
		if begun {
			continue
		}
		if err := t.begin(ctx, o, region); err != nil {
			return nil, err
		}
	}
	return t.wait(ctx, of)
}

// stranger is the account that copies, "" if it owns the originals.
func (t Transfer) stranger(ctx context.Context) (string, error) {
	from, err := t.From.Account(ctx)
	if err != nil {
		return "", err
	}
	to, err := t.To.Account(ctx)
	if err != nil || to == from {
		return "", err
	}
	return to, nil
}

// there are the usable copies that this transfer has, by their originals. One that failed
// is deleted, and so is one too many.
func (t Transfer) there(ctx context.Context, of []Original) (map[string]Copy, error) {
	all, err := t.To.Copies(ctx, kindsOf(of)...)
	if err != nil {
		return nil, err
	}
	out := map[string]Copy{}
	for _, c := range slices.SortedFunc(slices.Values(all), furthest) {
		if !t.owns(c) {
			continue
		}
		_, twice := out[c.Tags[TagOriginal]]
		if c.State == Broken || twice {
			if err := t.To.DeleteCopy(ctx, c.Original); err != nil {
				return nil, err
			}
			continue
		}
		out[c.Tags[TagOriginal]] = c
	}
	return out, nil
}

// furthest puts complete copies first.
func furthest(a, b Copy) int {
	done := func(c Copy) int {
		if c.State == Ready {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(done(a), done(b)), cmp.Compare(a.ID, b.ID))
}

// owns reports whether a copy is of this transfer. Of the same backup, another state
// folder makes its own.
func (t Transfer) owns(c Copy) bool {
	return c.Tags[TagCopy] == string(t.Backup) && c.Tags[TagPart] == t.Part && c.Tags[TagHolder] == t.Holder && c.Tags[TagMaker] == t.Maker
}

func kindsOf(of []Original) []Kind {
	var out []Kind
	for _, o := range of {
		if !slices.Contains(out, o.Kind) {
			out = append(out, o.Kind)
		}
	}
	return out
}

// begin asks for a copy, once. If the reply is lost, the copy is looked for: it has no
// token that would make a second request the same one.
func (t Transfer) begin(ctx context.Context, o Original, region string) error {
	n := NewCopy{
		Of: o, Region: region, Name: t.name(o), Key: t.DatabaseKey, Minutes: t.Minutes,
		Tags: map[string]string{
			"Name": string(t.Backup), TagCopy: string(t.Backup), TagPart: t.Part, TagHolder: t.Holder, TagMaker: t.Maker, TagOf: o.Of, TagOriginal: o.ID,
		},
	}
	if o.Kind == Volumes {
		n.Key = t.VolumeKey
	}
	cause := t.To.Copy(ctx, n)
	if cause == nil || Answered(cause) {
		return cause
	}
	var unseen Unseen
	err := Wait(ctx, func() (bool, error) {
		there, err := t.there(ctx, []Original{o})
		_, ok := there[o.ID]
		if err == nil && unseen.Missing(ok) {
			err = errors.New("it is not there")
		}
		return ok, err
	})
	if err != nil {
		return errors.Join(cause, err)
	}
	return nil
}

// name is that of a database's copy, the same each time.
func (t Transfer) name(o Original) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{string(t.Backup), t.Part, t.Holder, t.Maker, o.ID}, "\x00")))
	return fmt.Sprintf("bkp-%s-%x", t.Backup.Time().Format("20060102t150405z"), sum[:6])
}

// wait waits until there is a complete copy of each, and returns them in this order.
func (t Transfer) wait(ctx context.Context, of []Original) ([]Copy, error) {
	var out []Copy
	unseen := make([]Unseen, len(of))
	err := Wait(ctx, func() (bool, error) {
		all, err := t.To.Copies(ctx, kindsOf(of)...)
		if err != nil {
			return false, err
		}
		out = out[:0]
		for n, o := range of {
			i := slices.IndexFunc(all, func(c Copy) bool { return t.owns(c) && c.Tags[TagOriginal] == o.ID })
			if unseen[n].Missing(i >= 0) {
				return false, problem.New("copy of a snapshot is missing", "that of "+o.ID+" is not there any more", "find out who removed it, such as a policy of the account, and run again")
			}
			if i < 0 {
				continue
			}
			if all[i].State == Broken {
				return false, problem.New("copy of a snapshot failed", fmt.Sprintf("%s, of %s, is %s", all[i].ID, o.ID, strings.TrimSpace(all[i].Why)),
					"most often the key cannot be used: the account that copies needs that of the original, and its own; then run again")
			}
			if all[i].State == Ready {
				out = append(out, all[i])
			}
		}
		return len(out) == len(of), nil
	})
	return out, err
}

// Remove deletes the copies of this transfer, of these kinds.
func (t Transfer) Remove(ctx context.Context, kinds ...Kind) error {
	all, err := t.To.Copies(ctx, kinds...)
	if err != nil {
		return err
	}
	for _, c := range all {
		if !t.owns(c) {
			continue
		}
		if err := t.To.DeleteCopy(ctx, c.Original); err != nil {
			return err
		}
	}
	return nil
}
