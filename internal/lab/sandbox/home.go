package sandbox

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bkp/internal/lab/sandbox/bare"
	"bkp/internal/lab/sandbox/embedded"
	"bkp/internal/problem"
)

// HomeOptions of a home. The zero value is a small home with an embedded
// database.
type HomeOptions struct {
	Repositories int // 0: 4
	Commits      int // in each repository, to begin with; 0: 3
	// Files and Bytes to aim at, for the whole home and its data store. 0: what
	// the repositories and commits take.
	Files int
	Bytes int64
	// Database is the URL of an empty PostgreSQL or MySQL database, or Embedded or "".
	Database string
	// DataStore takes every second repository; "" for none. It must not exist
	// or be empty.
	DataStore string
	// Nodes are the homes of Mesh nodes, which then have all repositories: up to
	// three of them have each one. They must not exist or be empty.
	Nodes []string
}

// Home is a home in use. Its writes are safe for concurrent use.
type Home struct {
	dir          string
	database     database
	repositories []*repository
	nodes        []*node
}

// repository is one of the home's, with its branches.
type repository struct {
	id   int
	name string
	git  *bare.Repository // the first replica

	mu       sync.Mutex // a branch and its row move together
	tips     map[string]string
	replicas []replica
}

// What a repository holds besides its commits, and a commit besides its blobs;
// counted to meet HomeOptions.Files.
const (
	filesOfHome       = 20
	filesOfRepository = 6
	objectsOfCommit   = 2
)

// CreateHome makes a home in dir, which must not exist or be empty: real bare
// repositories, attachments, avatars, LFS objects, a bitbucket.properties, and
// what a backup leaves out. The caller closes it.
func CreateHome(ctx context.Context, dir string, o HomeOptions) (*Home, error) {
	o.Repositories, o.Commits = max(o.Repositories, 0), max(o.Commits, 0)
	if o.Repositories == 0 {
		o.Repositories = 4
	}
	if o.Commits == 0 {
		o.Commits = 3
	}
	for _, d := range []string{dir, o.DataStore} {
		if err := refuseUsed(d); err != nil {
			return nil, err
		}
	}
	if err := furnish(dir, o.Database); err != nil {
		return nil, err
	}
	nodes, err := createNodes(o.Nodes)
	if err != nil {
		return nil, err
	}
	db, err := createDatabase(ctx, dir, o.Database)
	if err != nil {
		return nil, err
	}
	h := &Home{dir: dir, database: db, repositories: make([]*repository, o.Repositories), nodes: nodes}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range h.repositories {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			var err error
			h.repositories[i], err = h.newRepository(ctx, i+1, o)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// Close releases the database. The home stays.
func (h *Home) Close() error { return h.database.close() }

// refuseUsed keeps a real home from being written over. Empty folders may be
// there: volumes that are mounted in their places.
func refuseUsed(dir string) error {
	if dir == "" {
		return nil
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			return problem.New("folder is not empty", path, "name a folder that does not exist yet")
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// repositoryDir is where a repository lies, in the home or in the data store.
func repositoryDir(home, store string, id int) string {
	name := fmt.Sprint(id)
	if store == "" || id%2 == 1 {
		return filepath.Join(home, "shared", "data", "repositories", name)
	}
	return filepath.Join(store, "repositories", fmt.Sprintf("%02x", id>>8&0xff), fmt.Sprintf("%02x", id&0xff), name)
}

func (h *Home) newRepository(ctx context.Context, id int, o HomeOptions) (*repository, error) {
	r := &repository{id: id, name: fmt.Sprint("repository-", id), tips: map[string]string{}, replicas: h.placesOf(id)}
	for i := range r.replicas {
		dir := repositoryDir(h.dir, o.DataStore, id)
		if n := r.replicas[i].node; n != nil {
			dir = replicaDir(n.dir, id)
		}
		git, err := newBare(dir, id, r.name)
		if err != nil {
			return nil, err
		}
		r.replicas[i].git = git
	}
	r.git = r.replicas[0].git
	if err := h.database.addRepository(ctx, embedded.Repository{ID: id, Name: r.name}); err != nil {
		return nil, err
	}
	now := time.Now()
	for i := range r.replicas {
		if err := r.begin(&r.replicas[i], now, o); err != nil {
			return nil, err
		}
	}
	push := Push{Repository: id, Branch: "main", Commit: r.tips["main"], At: time.Now()}
	return r, h.database.addPush(ctx, push)
}

// newBare makes an empty repository.
func newBare(dir string, id int, name string) (*bare.Repository, error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o750); err != nil {
		return nil, err
	}
	git, err := bare.Init(dir)
	if err != nil {
		return nil, err
	}
	config := fmt.Sprintf("# Generated by Bitbucket. Do not edit\n[bitbucket]\n\thierarchy = %020x\n\tproject = SAND\n\trepository = %s\n", id, name)
	return git, put(filepath.Join(dir, "repository-config"), []byte(config))
}

// begin fills a replica with the first commits, all on main. The content
// is random: it does not shrink, so that the sizes asked for are met; it is the
// same in each replica.
func (r *repository) begin(p *replica, now time.Time, o HomeOptions) error {
	git := p.git
	blobs, size := o.initialBlobs()
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], uint64(r.id))
	random := rand.NewChaCha8(seed)
	tip := ""
	for n := range o.Commits {
		var files []bare.File
		for i := range blobs {
			content := make([]byte, size)
			_, _ = random.Read(content) // never fails, by its contract
			hash, err := git.Blob(content, false)
			if err != nil {
				return err
			}
			files = append(files, bare.File{Name: fmt.Sprintf("file-%05d", i), Hash: hash})
		}
		tree, err := git.Tree(files)
		if err != nil {
			return err
		}
		at := now.Add(time.Duration(n-o.Commits) * time.Hour)
		if tip, err = git.Commit(tree, tip, fmt.Sprint("Commit ", n+1), at); err != nil {
			return err
		}
	}
	r.tips["main"] = tip
	if err := p.note(r.id, "main", tip); err != nil {
		return err
	}
	return git.Move("main", "", tip)
}

// initialBlobs returns how many blobs a first commit has, and their size.
func (o HomeOptions) initialBlobs() (blobs, size int) {
	commits := o.Repositories * o.Commits
	blobs = max(3, (o.Files-filesOfHome-filesOfRepository*o.Repositories)/commits-objectsOfCommit)
	return blobs, max(64, int(o.Bytes/int64(blobs*commits)))
}

// push writes objects, a branch and a row, in this order, the first two in a
// majority of the replicas. When the row cannot
// be written the branch goes back.
func (h *Home) push(ctx context.Context, r *repository, branch string, content []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	commit, undo, err := r.write(branch, content, now)
	if err != nil {
		return err
	}
	if err := h.database.addPush(ctx, Push{Repository: r.id, Branch: branch, Commit: commit, At: now}); err != nil {
		return errors.Join(err, undo())
	}
	r.tips[branch] = commit
	return nil
}
