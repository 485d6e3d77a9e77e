// Package mysql is the strategy database "mysql", for MySQL and MariaDB.
//
// Under the lock it starts the server's own dump tool with
// --single-transaction and returns as soon as the tool's snapshot is proven to
// be taken; the rest of the dump is written after the unlock, while users
// write again.
//
// # The proof
//
// The tool sends START TRANSACTION WITH CONSISTENT SNAPSHOT before it asks for
// the first table, and ends when the server refuses. With --verbose it says
// on its error output "Retrieving table structure for table" before each, so
// the first of these lines comes after the snapshot. That order holds in the
// sources of every mysqldump and mariadb-dump since 5.0. The first table's
// definition in the dump itself proves the same; but the tool's buffer keeps
// it back until 4 KiB are full, which takes as long as a small database has
// nothing more to say. Whichever comes first counts, and without either the
// capture lasts until the tool has ended.
//
// Tables are dumped as the snapshot has them; their definitions, views,
// triggers and routines are those of the moment when the tool comes to them.
// Should a definition change meanwhile, InnoDB refuses to read the table from
// the older snapshot, and the dump fails.
//
// # What was weighed
//
// MySQL cannot export a snapshot to another session, as PostgreSQL can. Holding
// one in bkp itself would save the tool's start under the lock, some 10 ms,
// at the price of a dump format of our own. Holding the tool back at a gate
// until the lock, by a proxy between it and the server, would save as much and
// add a part that can break.
//
// Tables that no snapshot covers, such as MyISAM, Aria and MEMORY, are found by
// Check, and are an error unless locked_dump declares that the whole dump is
// made inside the lock.
//
// The password reaches the tools in a private option file, which exists only
// while a tool is starting. It is the only option file that they read, and no
// MYSQL variable reaches them: they connect as the driver does, which reads
// neither. Check logs in with the dump tool once.
//
// Rights on the database and on parts of it belong to the server, and no dump has
// them. They are recorded, as far as the account sees those of others (it needs
// SELECT on the schema mysql), and shown after a restore where they are missing;
// nothing is granted, for an account of that name may be somebody else's there.
// So it is with the server's sql_mode, and with the collation of a target that
// exists.
//
// The package leaves out accounts themselves, and replicas and Galera clusters as the source of a
// dump: they may lag behind the lock.
package mysql
