package host

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/prometheus/procfs"
)

// groupActivity adds up what the kernel reports about a process group.
func groupActivity(group int) (activity, error) {
	all, err := procfs.AllProcs()
	if err != nil {
		return activity{}, err
	}
	sum := activity{asleep: true}
	for _, p := range all {
		if err := sum.add(p, group); err != nil && !ended(err) {
			return activity{}, err
		}
	}
	sum.asleep = sum.asleep && sum.processes > 0
	return sum, nil
}

func (a *activity) add(p procfs.Proc, group int) error {
	stat, err := p.Stat()
	if err != nil || stat.PGRP != group {
		return err
	}
	io, err := p.IO()
	if err != nil {
		return err
	}
	a.processes++
	a.ticks += uint64(stat.UTime + stat.STime)
	a.calls += io.SyscR + io.SyscW
	// Z is an end that its parent has not taken notice of.
	a.asleep = a.asleep && (stat.State == "S" || stat.State == "Z")
	return nil
}

// ended reports whether a process ended while it was looked at.
func ended(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}
