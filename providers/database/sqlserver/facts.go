package sqlserver

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"bkp/internal/problem"
)

// server is what a server says of itself.
type server struct {
	version, edition, engine, name string
	dataFolder, logFolder          string
}

// express is the number of the edition's engine that compresses nothing.
const express = "4"

// engines that are no server of one's own: of Azure and of others that take no BACKUP to a
// disk.
var hosted = map[string]string{"5": "Azure SQL Database", "6": "Azure Synapse", "8": "Azure SQL Managed Instance", "9": "Azure SQL Edge", "11": "Azure Synapse serverless"}

const serverQuery = `SELECT CONVERT(nvarchar(128), SERVERPROPERTY(N'ProductVersion')), CONVERT(nvarchar(128), SERVERPROPERTY(N'Edition')),
	CONVERT(nvarchar(10), SERVERPROPERTY(N'EngineEdition')), CONVERT(nvarchar(128), SERVERPROPERTY(N'ServerName')),
	CONVERT(nvarchar(260), SERVERPROPERTY(N'InstanceDefaultDataPath')), CONVERT(nvarchar(260), SERVERPROPERTY(N'InstanceDefaultLogPath'))`

func (c *session) server(ctx context.Context) (server, error) {
	r, err := c.row(ctx, serverQuery)
	const columns = 6
	if err != nil || len(r) < columns {
		return server{}, fmt.Errorf("version of the server: %w", orNothing(err))
	}
	return server{r[0], r[1], r[2], r[3], r[4], r[5]}, nil
}

// orNothing is the error of an answer that has no row.
func orNothing(err error) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("the server answered nothing")
}

// major is the first number of a version, 0 if it is none. 16 is SQL Server 2022.
func major(version string) int {
	text, _, _ := strings.Cut(version, ".")
	n, _ := strconv.Atoi(text)
	return n
}

// properties are those of a database.
type properties struct {
	exists                         bool
	id                             string
	state, recovery, collation     string
	snapshots, readOnly, encrypted bool
}

func (c *session) properties(ctx context.Context, database string) (properties, error) {
	r, err := c.row(ctx, `SELECT state_desc, recovery_model_desc, ISNULL(collation_name, N''), CONVERT(nvarchar(1), is_read_committed_snapshot_on),
	CONVERT(nvarchar(1), is_read_only), CONVERT(nvarchar(1), is_encrypted), CONVERT(nvarchar(10), database_id) FROM sys.databases WHERE name = `+literal(database))
	const columns = 7
	if err != nil || len(r) < columns {
		return properties{}, err
	}
	return properties{exists: true, id: r[6], state: r[0], recovery: r[1], collation: r[2], snapshots: r[3] == "1", readOnly: r[4] == "1", encrypted: r[5] == "1"}, nil
}

// Rights.
const (
	rightBackup = "BACKUP DATABASE"
	rightCreate = "CREATE ANY DATABASE"
)

// mayBackUp reports whether the login may back up a database.
func (c *session) mayBackUp(ctx context.Context, database string) (bool, error) {
	v, err := c.value(ctx, `SELECT CONVERT(nvarchar(1), HAS_PERMS_BY_NAME(QUOTENAME(`+literal(database)+`), N'DATABASE', `+literal(rightBackup)+`))`)
	return v == "1", err
}

// mayCreate reports whether the login may create databases.
func (c *session) mayCreate(ctx context.Context) (bool, error) {
	v, err := c.value(ctx, `SELECT CONVERT(nvarchar(1), HAS_PERMS_BY_NAME(NULL, NULL, `+literal(rightCreate)+`))`)
	return v == "1", err
}

// size is what the data of the session's database takes, in bytes.
func (c *session) size(ctx context.Context) (int64, error) {
	v, err := c.value(ctx, `SELECT CONVERT(nvarchar(20), SUM(CONVERT(bigint, FILEPROPERTY(name, N'SpaceUsed'))) * 8192) FROM sys.database_files WHERE type = 0`)
	if err != nil || v == "" {
		return 0, err
	}
	return strconv.ParseInt(v, 10, 64)
}

// base is the full backup on which the next differential one of the session's database
// builds: "" for none, and several if files have different ones.
func (c *session) base(ctx context.Context) (string, error) {
	_, rows, err := c.ask(ctx, `SELECT DISTINCT CONVERT(nvarchar(36), differential_base_guid) FROM sys.database_files WHERE type = 0`)
	var all []string
	for _, r := range rows {
		all = append(all, r...)
	}
	return strings.Join(all, ", "), err
}

// others is how many differential backups others took within the last two weeks.
func (c *session) others(ctx context.Context, database string) (int, error) {
	v, err := c.value(ctx, `SELECT CONVERT(nvarchar(10), COUNT(*)) FROM msdb.dbo.backupset WHERE database_name = `+literal(database)+
		` AND type = 'I' AND ISNULL(name, N'') NOT LIKE N'bkp %' AND backup_finish_date > DATEADD(day, -14, GETDATE())`)
	if err != nil || v == "" {
		return 0, err
	}
	return strconv.Atoi(v)
}

// record is what the server's history has of a backup.
type record struct {
	id, kind, base     string
	copyOnly, checksum bool
	damaged            bool
	bytes              int64
}

// Kinds of backups in the history.
const (
	kindFull         = "D"
	kindDifferential = "I"
)

const unrecorded = "backup is not in the server's history"

// recorded finds the newest backup that was written to a file.
func (c *session) recorded(ctx context.Context, path string) (record, error) {
	r, err := c.row(ctx, `SELECT TOP (1) CONVERT(nvarchar(36), s.backup_set_uuid), CONVERT(nvarchar(1), s.type), CONVERT(nvarchar(1), s.is_copy_only),
	CONVERT(nvarchar(36), s.differential_base_guid), CONVERT(nvarchar(1), s.has_backup_checksums), CONVERT(nvarchar(1), s.is_damaged),
	CONVERT(nvarchar(20), CONVERT(bigint, s.compressed_backup_size))
	FROM msdb.dbo.backupset AS s JOIN msdb.dbo.backupmediafamily AS f ON f.media_set_id = s.media_set_id
	WHERE f.physical_device_name = `+literal(path)+` ORDER BY s.backup_set_id DESC`)
	const columns = 7
	if err != nil {
		return record{}, fmt.Errorf("history of backups: %w", err)
	}
	if len(r) < columns {
		return record{}, problem.New(unrecorded, path+" was written, and msdb.dbo.backupset does not have it",
			"look whether something deletes the history at once (sp_delete_backuphistory), then run the backup again")
	}
	out := record{id: r[0], kind: r[1], copyOnly: r[2] == "1", base: r[3], checksum: r[4] == "1", damaged: r[5] == "1"}
	if r[6] != "" {
		if out.bytes, err = strconv.ParseInt(r[6], 10, 64); err != nil {
			return record{}, err
		}
	}
	return out, nil
}

// orphans are the users of a database whose login the server does not have.
func (c *session) orphans(ctx context.Context, database string) ([]string, error) {
	_, rows, err := c.ask(ctx, `SELECT name FROM `+name(database)+`.sys.database_principals
	WHERE type = 'S' AND authentication_type = 1 AND principal_id > 4 AND SUSER_SNAME(sid) IS NULL ORDER BY name`)
	var out []string
	for _, r := range rows {
		out = append(out, r...)
	}
	return out, err
}

// file is one of a database in a backup.
type file struct{ logical, path, kind string }

// files are those of a backup that the server reads.
func (c *session) files(ctx context.Context, path string) ([]file, error) {
	columns, rows, err := c.ask(ctx, `RESTORE FILELISTONLY FROM DISK = `+literal(path))
	if err != nil {
		return nil, err
	}
	var out []file
	for _, r := range rows {
		var f file
		for i, column := range columns {
			switch column {
			case "logicalname":
				f.logical = r[i]
			case "physicalname":
				f.path = r[i]
			case "type":
				f.kind = r[i]
			}
		}
		out = append(out, f)
	}
	return out, nil
}
