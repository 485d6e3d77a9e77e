package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"bkp/internal/host"
)

// sample is what one measured process took, with the processes that it started
// and waited for.
type sample struct {
	Total  time.Duration `json:"total_ns"`
	CPU    time.Duration `json:"cpu_ns"`
	Memory int64         `json:"memory_bytes"` // of the largest of the processes

	// Of a backup; zero for a mere pass.
	Window             time.Duration `json:"window_ns,omitempty"`               // as users saw it
	DrainedToNoticed   time.Duration `json:"drained_to_noticed_ns,omitempty"`   // by the instance's clock
	DrainedToComplete  time.Duration `json:"drained_to_complete_ns,omitempty"`  // by the instance's clock
	ReportedToComplete time.Duration `json:"reported_to_complete_ns,omitempty"` // by the tool itself; 0: it does not say
	Archive            int64         `json:"archive_bytes,omitempty"`
}

// process is a command to measure.
type process struct {
	argv []string
	env  []string
	dir  string
}

// measure runs p in a process group of its own, which is gone when measure
// returns, and returns what it took. What it prints goes to the file output.
func measure(ctx context.Context, p process, output string) (s sample, err error) {
	self, err := itself()
	if err != nil {
		return s, err
	}
	words, err := os.OpenFile(output, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, words.Close()) }()
	figures := output + ".json"
	_, err = (&host.Host{}).Run(ctx, host.Command{
		Name: self, Args: append([]string{"measure", "--into", figures, "--"}, p.argv...), Env: p.env, Dir: p.dir,
		Stdout: words, Stderr: words,
	})
	if err != nil {
		return s, err
	}
	text, err := os.ReadFile(figures)
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(text, &s)
}

// measureCmd stands between the bench and what it measures. The kernel counts
// a child's peak memory from its parent's at the fork: the bench, which holds
// the sandbox, is large, this process is small.
type measureCmd struct {
	Into string   `required:"" help:"File for the figures."`
	Argv []string `arg:"" passthrough:""`
}

// Run waits for the command whatever happens to the context: a signal goes to
// the whole process group.
func (c *measureCmd) Run() error {
	argv := c.Argv
	if len(argv) > 0 && argv[0] == "--" {
		argv = argv[1:]
	}
	if len(argv) == 0 {
		return errors.New("measure: no command")
	}
	cmd := exec.Command(argv[0], argv[1:]...) //nolint:noctx // the process group gets the signal
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	begun := time.Now()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(argv[0]), err)
	}
	text, err := json.Marshal(sample{
		Total:  time.Since(begun),
		CPU:    cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(),
		Memory: peakMemory(cmd.ProcessState),
	})
	if err != nil {
		return err
	}
	return os.WriteFile(c.Into, text, 0o600)
}

// sizeOf adds up the files below path, or is the size of the file path.
func sizeOf(path string) (int64, error) {
	var n int64
	err := filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	return n, err
}
