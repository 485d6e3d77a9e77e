// Package postgresql is the strategy database "postgresql".
//
// Under the lock it exports a snapshot of the database, which takes a moment
// whatever the size; pg_dump reads from that snapshot after the unlock, while
// users write again. What a dump needs from the server is proven by Check:
// the role may read every table, the client is not older than the server, the
// server is the primary, and no proxy hands the session to other backends.
//
// Through a proxy that pools transactions no snapshot can be exported; Check
// finds it. With locked_dump the whole dump is made inside the lock, by a
// pg_dump that takes its own snapshot, and the sessions that it leaves changed
// in the pool are reset before the unlock.
//
// The password reaches the tools in a private file, everything else in PG
// variables: an argument vector is seen by every user of the machine.
//
// The package leaves out roles and tablespaces, which belong to the server
// and not to the database.
package postgresql
