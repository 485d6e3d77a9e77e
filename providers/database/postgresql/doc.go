// Package postgresql is the strategy database "postgresql".
//
// Under the lock it exports a snapshot of the database, which takes a moment
// whatever the size; pg_dump reads from that snapshot after the unlock, while
// users write again. What a dump needs from the server is proven by Check:
// the role may read every table, the client is not older than the server, the
// server is the primary, and no proxy hands the session to other backends.
//
// The password reaches the tools in a private file, everything else in PG
// variables: an argument vector is seen by every user of the machine.
//
// The package leaves out roles and tablespaces, which belong to the server
// and not to the database, and dumps made inside the lock for servers whose
// snapshots cannot be exported.
package postgresql
