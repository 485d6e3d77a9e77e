//go:build !unix

package restic

// alive takes every process for one that lives: a lock then stays until somebody
// removes it.
func alive(int) bool { return true }
