package elasticsearch

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/elasticsearch/internal/api"
)

// Store is what differs from strategy to strategy: the repository's type and
// settings, and how requests are signed.
type Store struct {
	// Type is the server's name for it, such as fs.
	Type string
	// Settings are those that are declared. What is not is not looked at.
	Settings map[string]string
	// Sign signs requests; nil if nothing is signed.
	Sign api.Signer
}

// Settings are those of a repository, name after name, without those that are not set.
func Settings(pairs ...string) map[string]string {
	out := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			out[pairs[i]] = pairs[i+1]
		}
	}
	return out
}

// words describes the store: location /mnt/snapshots.
func (s Store) words() string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(s.Settings)) {
		out = append(out, name+" "+s.Settings[name])
	}
	return strings.Join(out, ", ")
}

// differs says in what a registered repository is another one than declared; "" if it
// is not.
func (s Store) differs(r api.Repository) string {
	if r.Type != s.Type {
		return fmt.Sprintf("it is of type %s, and %s is declared", r.Type, s.Type)
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(s.Settings)) {
		if got := r.Settings[name]; got != s.Settings[name] {
			out = append(out, fmt.Sprintf("its %s is %q, and %q is declared", name, got, s.Settings[name]))
		}
	}
	return strings.Join(out, "; ")
}

// checkRepository looks whether snapshots can be written. Every node writes a file to
// a repository that is registered, and removes it.
func (x *Index) checkRepository(ctx context.Context, c *api.Client, r *providers.Report) error {
	name := x.cfg.Repository
	have, err := c.Repository(ctx, name)
	switch {
	case api.IsUnregistered(err) && x.cfg.Register:
		r.Add(problem.Warn("snapshot repository is not proven", fmt.Sprintf("%s is not registered with %s yet; the first run registers it (%s) and proves then that every node can write to it", name, c.URL(), x.store.words()),
			"nothing, if the folder or the bucket is there for every node"))
		return nil
	case err != nil:
		return err
	}
	if err := x.usable(c, have); err != nil {
		return err
	}
	_, err = c.VerifyRepository(ctx, name)
	return err
}

// usable returns what keeps a registered repository from being written to.
func (x *Index) usable(c *api.Client, have api.Repository) error {
	if d := x.store.differs(have); d != "" {
		return problem.New("snapshot repository is another one", fmt.Sprintf("%s of %s: %s", x.cfg.Repository, c.URL(), d),
			"declare it as it is registered, or choose another name for repository; bkp changes none that is registered")
	}
	if have.Settings["readonly"] == "true" {
		return problem.New("snapshot repository is read-only", fmt.Sprintf("%s is registered with readonly at %s", x.cfg.Repository, c.URL()),
			"if no other cluster writes to it any more, register it again without readonly; one repository must not be written to by two clusters")
	}
	return nil
}

// ensureRegistered registers the repository if it is not, and that is declared.
func (x *Index) ensureRegistered(ctx context.Context, c *api.Client, readonly bool) error {
	_, err := c.Repository(ctx, x.cfg.Repository)
	if !api.IsUnregistered(err) || !x.cfg.Register {
		return err
	}
	settings := maps.Clone(x.store.Settings)
	if readonly {
		settings["readonly"] = "true"
	}
	return c.Register(ctx, x.cfg.Repository, api.Repository{Type: x.store.Type, Settings: settings})
}
