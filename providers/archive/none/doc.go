// Package none is the strategy archive "none": artifacts stay where they are,
// in the working copy.
//
// It keeps the manifest of the last backup in its work folder, so that the
// backup can be shown, verified and restored. The next run overwrites the
// working copy, and with it the backup.
//
// The package leaves out protection against anything: a working copy on
// another machine or a snapshot of its file system has to give that.
package none
