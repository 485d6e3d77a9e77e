// Package pgserver runs a scratch PostgreSQL server from the binaries that are
// installed on this machine: for drills, which restore a backup into one, for
// the sandbox and for tests.
//
// The server listens on a free port of 127.0.0.1 and, if the folder's name is
// short enough for one, on a unix socket. It keeps nothing safe (fsync is
// off) and must never hold data that anyone wants to see again.
//
// PostgreSQL refuses to run as root: then it runs as the user postgres, or else
// nobody, and its files may lie elsewhere (see Server.Dir).
//
// The package leaves out what is in the databases, and servers that others
// run: providers/database/postgresql is the client.
package pgserver
