package importer

import "strings"

// verdict is what becomes of a variable that is no attribute.
type verdict struct {
	outcome Outcome
	reason  string
}

const (
	ownTools    = "bkp looks for its tools and their versions itself"
	ownLayout   = "bkp lays out its working copy itself, below state_dir"
	noStandby   = "it is about a standby: bkp backs up and restores, and does not replicate"
	noHipChat   = "HipChat was discontinued; notify of bkp sends notices elsewhere"
	noCopies    = "it copied snapshots to another account or region: declare archive \"aws_snapshots\" with its region"
	snapshotOpt = "with --no-synchronized-snapshots a parallel dump is not one point in time; bkp dumps every table from one snapshot"
)

// verdicts are by name; prefixes below are for families.
var verdicts = map[string]verdict{
	"ELASTICSEARCH_INDEX_NAME":     {Dropped, "bkp captures all of Bitbucket's indices together, bitbucket-*; one that is restored alone contradicts the others"},
	"BITBUCKET_BACKUP_DB":          {Dropped, ownLayout},
	"BITBUCKET_BACKUP_HOME":        {Dropped, ownLayout},
	"BITBUCKET_BACKUP_DATA_STORES": {Dropped, ownLayout},
	"BITBUCKET_RESTORE_ROOT":       {Broken, "the scripts unpacked into /tmp, which may be too small; bkp unpacks beside the home"},
	"BITBUCKET_RESTORE_DB":         {Dropped, "give it to bkp restore: --database NAME"},
	"BITBUCKET_RESTORE_HOME":       {Dropped, "give it to bkp restore: --home DIR"},
	"BITBUCKET_VERBOSE_BACKUP":     {Dropped, "bkp prints every step; use --json for programs"},
	"STASH_VERBOSE_BACKUP":         {Dropped, "bkp prints every step; use --json for programs"},
	"BITBUCKET_BACKUP_WIN_DB":      {Broken, "restoring SQL Server did nothing in the scripts"},
	"MYSQL_BACKUP_OPTIONS":         {Dropped, "only database \"mysql\" uses it, which is not chosen"},
	"PG_SNAPSHOT_OPT":              {Broken, snapshotOpt},
	"POSTGRESQL_SERVICE_NAME":      {Dropped, "the scripts stopped and started the server at a restore; bkp leaves that to you, and restores its files into a folder that must be empty"},
	"PGPASSFILE":                   {Dropped, "bkp reads ~/.pgpass if the database has no password; set the variable where bkp runs"},
	"BACKUP_VARS_FILE":             {Dropped, "bkp reads all *.bkp.hcl of a folder"},
	"SCRIPT_DIR":                   {Dropped, "bkp replaces the scripts"},
	"psql_version":                 {Dropped, ownTools},
	"psql_majorminor":              {Dropped, ownTools},
	"psql_major":                   {Dropped, ownTools},
	"AWS_INFO":                     {Dropped, "it was used to compute other variables"},
	"AWS_ACCESS_KEY_ID":            {Dropped, "credentials stay in the environment where bkp runs"},
	"AWS_SECRET_ACCESS_KEY":        {Dropped, "credentials stay in the environment where bkp runs"},
	"AWS_SESSION_TOKEN":            {Dropped, "credentials stay in the environment where bkp runs"},
	"AWS_INSTANCE_ROLE":            {Dropped, "credentials stay in the environment where bkp runs"},
	"FILESYSTEM_TYPE":              {Dropped, "bkp sees it; for ZFS on volumes of EBS, home \"zfs\" takes snapshots of its datasets"},
	"AWS_AVAILABILITY_ZONE":        {Dropped, "bkp asks Amazon where the machine is"},
	"AWS_ACCOUNT_ID":               {Dropped, "bkp asks Amazon whose the keys are"},
	"BACKUP_DEST_AWS_ACCOUNT_ID":   {Dropped, "the account is that of the role"},
	"HOME_DIRECTORY_DEVICE_NAME":   {Dropped, "bkp finds the devices of the home from its mounts"},
	"HOME_DIRECTORY_MOUNT_POINT":   {Dropped, "bkp finds the mounts of the home itself"},
	"IS_AURORA":                    {Dropped, "it chose between an instance of RDS and a cluster of Aurora"},
	"DR_RDS_READ_REPLICA":          {Dropped, noStandby},
	"ZFS_HOME_FILESYSTEM":          {Dropped, noStandby},
	"SSH_FLAGS":                    {Dropped, noStandby},
	"BITBUCKET_GID":                {Dropped, "it counts only beside BITBUCKET_UID, with the strategy rsync"},
	"STASH_GID":                    {Dropped, "it counts only beside STASH_UID, with the strategy rsync"},
	"PRODUCT":                      {Dropped, "bkp is for Bitbucket alone"},
	"PATH":                         {Dropped, "set it where bkp runs"},
}

var families = []struct {
	prefix string
	verdict
}{
	{"BACKUP_AWS_", verdict{Unsupported, noCopies}},
	{"BACKUP_DEST_", verdict{Unsupported, noCopies}},
	{"BACKUP_EBS_", verdict{Unsupported, noCopies}},
	{"BACKUP_RDS_", verdict{Unsupported, noCopies}},
	{"HIPCHAT_", verdict{Dropped, noHipChat}},
	{"STANDBY", verdict{Dropped, noStandby}},
	{"REPLICATION_", verdict{Dropped, noStandby}},
	{"REPLICATE_", verdict{Dropped, noStandby}},
	{"SNAPSHOT_", verdict{Dropped, "bkp names and finds its snapshots itself"}},
	{"RESTORE_", verdict{Dropped, "give it to the restore: see bkp restore --help"}},
	{"MESH_", verdict{Unknown, "the scripts have no such variable; Mesh nodes are blocks of their own: mesh_node"}},
	{"ELASTICSEARCH_", verdict{Dropped, "no strategy for the search index is chosen; Bitbucket rebuilds the index"}},
}

// taken are variables that are looked at one by one: see instance.go.
var taken = []string{
	"INSTANCE_NAME", "INSTANCE_TYPE", "BITBUCKET_URL", "STASH_URL", "BITBUCKET_BACKUP_USER", "STASH_BACKUP_USER",
	"BITBUCKET_BACKUP_PASS", "STASH_BACKUP_PASS", "BITBUCKET_GID", "STASH_GID", "CURL_OPTIONS", "BITBUCKET_BACKUP_ROOT",
	"STASH_BACKUP_ROOT", "KEEP_BACKUPS", "BACKUP_ZERO_DOWNTIME", "ZERO_DOWNTIME_BACKUP", "BACKUP_LOCK_BITBUCKET",
}

// knownSettings are the variables that the scripts know.
func knownSettings() func(name string) bool {
	names := map[string]bool{}
	for _, n := range taken {
		names[n] = true
	}
	for _, p := range parts() {
		for _, n := range p.choice {
			names[n] = true
		}
		for _, s := range p.strategies {
			for _, f := range s.fields {
				for _, n := range f.variables {
					names[n] = true
				}
			}
		}
	}
	return func(name string) bool {
		v, listed := verdictOf(name)
		return names[name] || listed && v.reason != ownTools || family(name) != nil
	}
}

// verdictOf is the verdict about a variable; the first scripts called the product
// Stash.
func verdictOf(name string) (verdict, bool) {
	v, ok := verdicts[name]
	if rest, stash := strings.CutPrefix(name, "STASH_"); !ok && stash {
		v, ok = verdicts["BITBUCKET_"+rest]
	}
	return v, ok
}

func family(name string) *verdict {
	for _, f := range families {
		if strings.HasPrefix(name, f.prefix) {
			return &f.verdict
		}
	}
	return nil
}
