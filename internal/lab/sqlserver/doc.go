// Package sqlserver plays a SQL Server for tests, over the protocol of internal/lab/tds. It
// has logins, databases of tables with rows, a history of backups, and a disk: BACKUP writes
// a file there, as an account that is not root if it can, and RESTORE reads it. A
// differential backup holds what changed since its base, and is refused on any other.
//
// It understands the statements that bkp and the sandbox send, and no SQL besides. So it
// proves a conversation, and nothing about what Microsoft's server would answer.
package sqlserver
