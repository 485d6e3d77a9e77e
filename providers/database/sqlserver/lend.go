package sqlserver

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"bkp/internal/problem"
)

// lend makes a part readable for the server under another name. It takes no space where
// files can have two names.
func (r *restorer) lend(ctx context.Context, from, to string) error {
	err := os.Remove(to)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if os.Link(from, to) != nil {
		if err := copyFile(ctx, from, to); err != nil {
			return problem.Wrap(err, cannotRead, "let this user write into the folder of backups, and make room there")
		}
	}
	return give(to, r.cfg.folder())
}

// takeBack ends the lending.
func (r *restorer) takeBack() error {
	var failed error
	for _, part := range []string{fullPart, diffPart} {
		if err := os.Remove(r.lent(part)); !errors.Is(err, fs.ErrNotExist) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

func copyFile(ctx context.Context, from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	const private = 0o600
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, private)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, reader{ctx, in})
	return errors.Join(err, out.Close())
}

// reader ends with its context.
type reader struct {
	ctx context.Context //nolint:containedctx // that of one copy
	r   io.Reader
}

// Read implements io.Reader.
func (r reader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}
