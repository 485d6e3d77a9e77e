// Package scratch is what the scratch servers of databases share: whom they
// run as, where their files lie, a free port, how one is started, awaited and
// stopped, and a process that ends with this one.
//
// Database servers refuse to run as root. As root they run as another user,
// who must be able to reach the folder: when one of its parents is closed to
// others, as in a root user's home or in a folder of testing's TempDir, the
// files lie below the system's temporary folder instead, unless the caller
// insists.
//
// It leaves out what differs from server to server: pgserver and mysqlserver.
package scratch
