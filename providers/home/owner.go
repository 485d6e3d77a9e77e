package home

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path"
	"strconv"
	"strings"

	"bkp/internal/problem"
)

// owner is who gets a restored tree; its zero value leaves everything as it is.
type owner struct {
	set      bool
	uid, gid int // -1: stays
	// others is set for what is not Bitbucket's.
	others bool
}

// lookupOwner reads USER or USER:GROUP, names or ids. Without a group a named
// user's own is meant, and an id's files keep theirs.
func lookupOwner(text string) (owner, error) {
	if text == "" {
		return owner{}, nil
	}
	name, group, hasGroup := strings.Cut(text, ":")
	o := owner{set: true, gid: -1}
	u, err := user.Lookup(name)
	if err == nil {
		o.uid, err = strconv.Atoi(u.Uid)
		if err == nil {
			o.gid, err = strconv.Atoi(u.Gid)
		}
	} else if o.uid, err = strconv.Atoi(name); err != nil {
		return owner{}, unknown("user", name)
	}
	if err != nil {
		return owner{}, err
	}
	if !hasGroup {
		return o, nil
	}
	if g, err := user.LookupGroup(group); err == nil {
		o.gid, err = strconv.Atoi(g.Gid)
		return o, err
	}
	if o.gid, err = strconv.Atoi(group); err != nil {
		return owner{}, unknown("group", group)
	}
	return o, nil
}

func unknown(what, name string) error {
	return problem.New("unknown "+what, fmt.Sprintf("%q of the attribute owner", name), "create it, or correct owner")
}

// give changes the owner of a tree; of symbolic links, that of the link. It
// works inside the tree: a user who may write there by now cannot lead it out.
func (o owner) give(ctx context.Context, root *os.Root) error {
	if !o.set || os.Geteuid() > 0 {
		return nil
	}
	return o.giveBelow(ctx, root, ".")
}

func (o owner) giveBelow(ctx context.Context, root *os.Root, name string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	fi, err := root.Lstat(name)
	if err != nil {
		return err
	}
	if fi.IsDir() {
		entries, err := readDir(root, name)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := o.giveBelow(ctx, root, path.Join(name, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := root.Lchown(name, o.uid, o.gid); err != nil {
		return err
	}
	// The system takes these away with the owner.
	if fi.Mode().IsRegular() && fi.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
		return root.Chmod(name, fi.Mode())
	}
	return nil
}
