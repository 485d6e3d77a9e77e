package main

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"bkp/internal/lab/aws"
	"bkp/internal/lab/sandbox"
)

// amazonSite is a machine of the stand-in with a sandbox on two of its volumes.
type amazonSite struct {
	world      *aws.World
	server     *sandbox.Server
	instance   *httptest.Server
	dir        string
	home       string
	volumes    []string
	mounts     []string
	everything []func() error
}

// measureAmazon makes a backup by each method, and the scripts' calls.
func measureAmazon(ctx context.Context, program, parent string, gib int) (t amazonTimes, err error) {
	s, err := openAmazon(ctx, filepath.Join(parent, fmt.Sprint(gib)))
	defer func() { err = errors.Join(err, s.close()) }()
	if err != nil {
		return t, err
	}
	s.world.Slow(time.Duration(gib) * perGiB)
	s.world.Steady()
	t.gib = gib
	for method, to := range map[string]*time.Duration{"point_in_time": &t.pointInTime, "snapshot": &t.snapshot} {
		if *to, err = s.backup(ctx, program, method); err != nil {
			return t, err
		}
	}
	t.byScript, err = s.byScript(ctx)
	return t, err
}

func openAmazon(ctx context.Context, dir string) (*amazonSite, error) {
	s := &amazonSite{dir: dir, server: sandbox.NewServer(sandbox.Options{})}
	s.instance = httptest.NewServer(s.server)
	s.everything = append(s.everything, func() error { s.instance.Close(); return nil })
	work := filepath.Join(dir, "amazon")
	if err := os.MkdirAll(work, 0o700); err != nil {
		return s, err
	}
	s.world = aws.New(work)
	s.everything = append(s.everything, s.world.Close)
	const size = 512 << 20
	for _, name := range []string{"home", "store"} {
		point := filepath.Join(dir, name)
		if err := os.Mkdir(point, 0o755); err != nil {
			return s, err
		}
		id, err := s.world.NewVolume(point, "xfs", size)
		if err != nil {
			return s, err
		}
		s.volumes, s.mounts = append(s.volumes, id), append(s.mounts, point)
	}
	const days = 7
	s.world.NewDatabase("bitbucket", days)
	s.home = filepath.Join(s.mounts[0], "bitbucket")
	h, err := sandbox.CreateHome(ctx, s.home, sandbox.HomeOptions{DataStore: filepath.Join(s.mounts[1], "bitbucket")})
	if err != nil {
		return s, err
	}
	return s, h.Close()
}

func (s *amazonSite) close() error {
	var all error
	for i := len(s.everything) - 1; i >= 0; i-- {
		all = errors.Join(all, s.everything[i]())
	}
	return all
}

const amazonConfig = `
bkp { state_dir = %[1]q }
instance "bench" {
  url      = %[2]q
  username = "admin"
  password = "admin"
  home     = home.aws_ebs.shared
  database = database.aws_rds.main
  archives = [archive.snapshots.here]
}
home "aws_ebs" "shared" {
  path        = %[3]q
  data_stores = [%[4]q]
  freeze      = "fsfreeze"
  endpoint    = %[5]q
  sysfs       = %[6]q
}
database "aws_rds" "main" {
  instance = "bitbucket"
  method   = %[7]q
  endpoint = %[5]q
}
archive "snapshots" "here" {}
`

// backup makes a backup, and returns the time from DRAINED to complete on the world's clock.
func (s *amazonSite) backup(ctx context.Context, program, method string) (time.Duration, error) {
	conf := filepath.Join(s.dir, method)
	if err := os.MkdirAll(conf, 0o700); err != nil {
		return 0, err
	}
	text := fmt.Sprintf(amazonConfig, filepath.Join(conf, "state"), s.instance.URL, s.home, filepath.Join(s.mounts[1], "bitbucket"), s.world.Endpoint, s.world.Sysfs, method)
	if err := os.WriteFile(filepath.Join(conf, "main.bkp.hcl"), []byte(text), 0o600); err != nil {
		return 0, err
	}
	c := exec.CommandContext(ctx, program, "apply", "--auto-approve")
	c.Dir, c.Env = conf, os.Environ()
	for name, value := range s.world.Env() {
		c.Env = append(c.Env, name+"="+value)
	}
	before := len(s.server.Locks())
	ended := make(chan struct{})
	var following sync.WaitGroup
	following.Go(func() { s.catchUp(before, ended) })
	out, err := c.CombinedOutput()
	close(ended)
	following.Wait()
	if err != nil {
		return 0, fmt.Errorf("%s: %w\n%s", method, err, out)
	}
	locks := s.server.Locks()
	last := locks[len(locks)-1]
	return s.world.Passed(last.Drained, last.Completed), nil
}

// catchUp lets the latest restorable time follow once the lock after so many others has ended.
func (s *amazonSite) catchUp(before int, ended <-chan struct{}) {
	const look, takes = 10 * time.Millisecond, 10 * time.Minute
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
		}
		if locks := s.server.Locks(); len(locks) > before && !locks[len(locks)-1].Unlocked.IsZero() {
			s.world.Advance(takes)
			return
		}
	}
}

// byScript acts out what Atlassian's scripts do between DRAINED and complete, volume by volume, with
// the database waited for.
func (s *amazonSite) byScript(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	for _, id := range s.volumes {
		if _, err := s.call(ctx, "ec2", "DescribeVolumes", "VolumeId.1", id); err != nil {
			return 0, err
		}
		made, err := s.call(ctx, "ec2", "CreateSnapshot", "VolumeId", id)
		if err != nil {
			return 0, err
		}
		if _, err := s.call(ctx, "ec2", "CreateTags", "ResourceId.1", made.Snapshot, "Tag.1.Key", "Name", "Tag.1.Value", "bitbucket-1"); err != nil {
			return 0, err
		}
	}
	if _, err := s.call(ctx, "rds", "CreateDBSnapshot", "DBInstanceIdentifier", "bitbucket", "DBSnapshotIdentifier", "bitbucket-1"); err != nil {
		return 0, err
	}
	for { // each look lets the world's clock go on by the pause of the scripts
		found, err := s.call(ctx, "rds", "DescribeDBSnapshots", "DBInstanceIdentifier", "bitbucket")
		if err != nil {
			return 0, err
		}
		if !strings.Contains(found.text, "<Status>creating</Status>") {
			return s.world.Passed(began, time.Now()), nil
		}
	}
}

// answer is what of one counts.
type answer struct {
	Snapshot string `xml:"snapshotId"`
	text     string
}

// call makes a call. Of its signature the stand-in reads the scope alone.
func (s *amazonSite) call(ctx context.Context, service, action string, pairs ...string) (answer, error) {
	form := url.Values{"Action": {action}}
	for pair := range slices.Chunk(pairs, 2) {
		form.Set(pair[0], pair[len(pair)-1])
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.world.Endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+aws.AccessKey+"/20261129/"+aws.Region+"/"+service+"/aws4_request, SignedHeaders=host, Signature=0")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{}, err
	}
	text, err := io.ReadAll(resp.Body)
	if err = cmp.Or(err, resp.Body.Close()); err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", action, text)
	}
	out := answer{text: string(text)}
	return out, cmp.Or(err, xml.Unmarshal(text, &out))
}
