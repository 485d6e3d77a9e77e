//go:build !linux

package track

import "bkp/internal/filemeta"

// Watch does not exist here.
type Watch struct{}

// Start refuses: only Linux reports changes to whole file systems.
func Start([]string) (*Watch, error) { return nil, unfit("not Linux", nil) }

// Take never runs.
func (*Watch) Take() ([]Changes, []filemeta.ID, error) { return nil, nil, unfit("not Linux", nil) }

// Close does nothing.
func (*Watch) Close() error { return nil }
