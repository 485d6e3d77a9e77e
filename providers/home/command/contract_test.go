//go:build unix

package command

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bkp/providers"
	"bkp/providers/command"
	"bkp/providers/home"
	"bkp/providers/providertest"
)

// storage is a script whose snapshots are copies in the folder STORE. With the
// first argument "trees" it gives trees, with "native" none.
const storage = `#!/bin/sh
set -eu
snap=$STORE/$BKP_BACKUP
case $BKP_VERB in
capture)
	rm -rf "$snap" "$snap.part"
	mkdir -p "$snap.part/stores"
	cp -a "$BKP_HOME" "$snap.part/home"
	cp -a "$DATA_STORE" "$snap.part/stores/0"
	mv "$snap.part" "$snap"
	trees=
	test "$1" = native || trees=', "trees": [{"place": "home", "path": "'$snap'/home"}, {"place": "stores/0", "path": "'$snap'/stores/0"}]'
	echo '{"ref": {"snapshot": "'$snap'"}'"$trees}"
	;;
finish) echo '{}' ;;
keep) echo "$BKP_NOTE" >"$snap.kept" ;;
discard) test -e "$snap.kept" || rm -rf "$snap" "$snap.part" ;;
list)
	echo '{"backups": ['
	comma=
	for kept in "$STORE"/*.kept; do
		test -e "$kept" || continue
		name=$(basename "$kept" .kept)
		echo "$comma"'{"backup": "'$name'", "ref": {"snapshot": "'$STORE/$name'"}, "note": "'$(cat "$kept")'", "facts": {"store.0": "'$DATA_STORE'"}}'
		comma=,
	done
	echo ']}'
	;;
delete) rm -rf "$snap" "$snap.kept" ;;
restore)
	into=$(dirname "$BKP_INTO")
	cp -a "$BKP_REF_snapshot/home" "$BKP_REF_snapshot/stores" "$into"
	;;
esac
`

func script(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "storage")
	if err := os.WriteFile(path, []byte(storage), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// config has commands for the given verbs besides capture and discard.
func config(path string, stores []string, tool, mode string, verbs ...command.Verb) Config {
	c := Config{home.Defaults(), command.Defaults()}
	c.Path, c.DataStores = path, stores
	call := command.Call{Command: []string{tool, mode}, Timeout: time.Minute}
	c.Capture.Call, c.Discard.Call = call, call
	for _, v := range verbs {
		switch v {
		case command.Finish:
			c.Finish = &command.Long{Call: call}
		case command.Keep:
			c.Keep = &command.Quick{Call: call}
		case command.List:
			c.List = &command.Quick{Call: call}
		case command.Delete:
			c.Delete = &command.Tidy{Call: call}
		case command.Restore:
			c.Restore = &command.Long{Call: call}
		default:
		}
	}
	return c
}

func TestContract(t *testing.T) {
	keeps := []command.Verb{command.Keep, command.List, command.Delete, command.Restore}
	for name, c := range map[string]struct {
		mode  string
		verbs []command.Verb
	}{
		"trees":            {"trees", nil},
		"trees, finished":  {"trees", []command.Verb{command.Finish}},
		"native, finished": {"native", append(keeps, command.Finish)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			providertest.Run(t, func(t *testing.T) providertest.Harness {
				tool, store := script(t), t.TempDir()
				h := providertest.HomeHarness(t, func(path string, stores []string, env providers.Env) (providers.Strategy, error) {
					cfg := config(path, stores, tool, c.mode, c.verbs...)
					cfg.Environment = map[string]string{"STORE": store, "DATA_STORE": stores[0]}
					env.Instance = providers.Instance{Name: providertest.ID.Instance(), URL: "https://bitbucket.example.com"}
					return open(cfg, env)
				}, providertest.HomeOptions{Staged: c.mode == "trees"})
				if c.mode == "native" {
					made := h.New
					h.New = func(t *testing.T) providers.Strategy { return &kept{made(t), t} }
				}
				return h
			})
		})
	}
}

// kept does in Finish what archive "snapshots" does afterwards.
type kept struct {
	providers.Strategy
	t *testing.T
}

func (k *kept) Unwrap() providers.Strategy { return k.Strategy }

func (k *kept) Finish(ctx context.Context, a providers.Artifact) (providers.Artifact, error) {
	a, err := k.Strategy.Finish(ctx, a)
	if err != nil {
		return a, err
	}
	keeper, ok := providers.As[providers.Keeper](k.Strategy)
	if !ok {
		k.t.Fatal("nothing can stay")
	}
	m := providers.Manifest{Format: providers.ManifestFormat, ID: providertest.ID, Instance: providertest.ID.Instance(), URL: "https://bitbucket.example.com", Artifacts: []providers.Artifact{a}}
	return keeper.Keep(ctx, m, a)
}
