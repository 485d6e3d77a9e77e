// Package bare writes bare git repositories as a server does: loose objects by
// a temporary file and a rename, branches by git's own lock files.
//
// No process is started, so thousands of pushes a second are possible. It
// leaves out reading: what was written is proven with git itself.
package bare
