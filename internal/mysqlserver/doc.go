// Package mysqlserver runs a scratch MariaDB server from the binaries that are
// installed on this machine: for drills, which restore a backup into one, for
// the sandbox and for tests.
//
// The server listens on a free port of 127.0.0.1 and, if the folder's name is
// short enough for one, on a unix socket. It keeps nothing safe and must never
// hold data that anyone wants to see again. As root it runs as the user mysql,
// or else nobody, and its files may lie elsewhere (see Server.Dir).
//
// The package leaves out what is in the databases, servers that others run
// (providers/database/mysql is the client), and MySQL's own server, whose
// files are made in another way.
package mysqlserver
