package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"

	"filippo.io/age"
)

const (
	storeKey    = "AKIABKPBENCHBKPBEN"
	storeSecret = "a secret of the bench"
	storeRegion = "us-east-1"
	storeBucket = "backups"
)

// objectStore is a store of objects on a folder, a process of its own.
type objectStore struct {
	endpoint string
	// data has the folder of each bucket.
	data   string
	stop   context.CancelFunc
	server *exec.Cmd
	log    *os.File
}

// openObjectStore starts one with an empty bucket; the caller closes it. The calls of a
// client are tried again until it listens.
func openObjectStore(ctx context.Context, program, dir string) (*objectStore, error) {
	s := &objectStore{data: filepath.Join(dir, "data")}
	if err := os.MkdirAll(filepath.Join(s.data, storeBucket), 0o700); err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	if s.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(ctx)
	s.endpoint, s.stop = "http://"+address, stop
	s.server = exec.CommandContext(running, program, "--port", address, "--region", storeRegion, "--quiet", "--keep-alive", "posix", s.data)
	s.server.Env = []string{"ROOT_ACCESS_KEY=" + storeKey, "ROOT_SECRET_KEY=" + storeSecret, "PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	s.server.Stdout, s.server.Stderr = s.log, s.log
	if err := s.server.Start(); err != nil {
		stop()
		return nil, errors.Join(err, s.log.Close())
	}
	return s, nil
}

func (s *objectStore) close() error {
	s.stop()
	_ = s.server.Wait() // it was killed
	return s.log.Close()
}

// empty removes all objects.
func (s *objectStore) empty() error {
	bucket := filepath.Join(s.data, storeBucket)
	return errors.Join(os.RemoveAll(bucket), os.Mkdir(bucket, 0o700))
}

func (s *objectStore) destination() string { return "s3://" + storeBucket + "/bench" }

// keys are for the environment of a client.
func (s *objectStore) keys() []string {
	return []string{"AWS_ACCESS_KEY_ID=" + storeKey, "AWS_SECRET_ACCESS_KEY=" + storeSecret, "AWS_REGION=" + storeRegion}
}

// makeKeys makes two pairs of age's keys, and returns the files of the public ones and
// of one secret key.
func makeKeys(dir string) (recipients, identity string, err error) {
	recipients, identity = filepath.Join(dir, "recipients.txt"), filepath.Join(dir, "identity.txt")
	public := ""
	for range 2 {
		k, err := age.GenerateX25519Identity()
		if err != nil {
			return "", "", err
		}
		public += k.Recipient().String() + "\n"
		if err := os.WriteFile(identity, fmt.Appendln(nil, k), 0o600); err != nil {
			return "", "", err
		}
	}
	return recipients, identity, os.WriteFile(recipients, []byte(public), 0o600)
}
