package treesync

import (
	"slices"

	"bkp/providers"
)

// Survey is what a walk saw.
type Survey struct {
	providers.Estimate
	// Folders counts the folders below the root.
	Folders int64
	// Unreadable are the first paths, sorted, that this user may not read, and
	// UnreadableCount is how many there are.
	Unreadable      []string
	UnreadableCount int
	// Mounts are the folders, sorted, where another file system begins.
	Mounts []string
}

// shown is how many unreadable paths a survey keeps.
const shown = 5

func (s *Survey) unreadable(path string) {
	s.UnreadableCount++
	i, _ := slices.BinarySearch(s.Unreadable, path)
	s.Unreadable = slices.Insert(s.Unreadable, i, path)
	s.Unreadable = s.Unreadable[:min(len(s.Unreadable), shown)]
}
