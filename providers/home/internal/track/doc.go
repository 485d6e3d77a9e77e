// Package track reports which folders of a tree changed since it was asked last,
// so that a pass under Bitbucket's lock need not walk what did not change.
//
// On Linux, as root, it watches whole file systems with fanotify: every folder
// in which something was created, written, renamed, deleted or got other
// attributes is reported by its file handle and the entry's name. Handles are
// turned into paths when they are asked for, so that the renames of folders
// above do no harm.
//
// It is right or it does not work: Start refuses what it cannot watch, and
// Take fails if anything may have been missed. Both say why, and the caller
// walks everything instead. What fanotify cannot see is the caller's to leave
// out: writes through mmap before the file is closed, and writes to files that
// were open for writing when the watch began.
package track
