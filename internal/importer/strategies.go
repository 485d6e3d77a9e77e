package importer

import (
	"slices"
	"strings"

	"bkp/providers"
)

// form is how a variable is written as an attribute.
type form int

const (
	asText form = iota
	asPath
	asNumber
	asBool
	asTexts
	asNumbers
	asSecret
	asOwner
	asJobs
	// asStores are the mount points of MOUNT:DEVICE besides that of the home, or folders.
	asStores
	// asFreeze is how a file system comes to rest, of true or false.
	asFreeze
	// asVolumeType is one of EBS, without those that need more to be said.
	asVolumeType
	// asHTTP and asHTTPS are a host, maybe with a port; asTrue is true if there is any.
	asHTTP
	asHTTPS
	asTrue
	// asSnapshot is the method of a database that is copied.
	asSnapshot
	// asTags are tags of Amazon as JSON, with brackets or without.
	asTags
	// asServerPath is a folder of the database server, which may be one of Windows.
	asServerPath
	// asSealed is the reference to what encrypts, for whom the variable names.
	asSealed
)

// name is what the attribute is called within its block.
func (f field) name() string { return f.attribute[strings.LastIndexByte(f.attribute, '.')+1:] }

// block is the nested block of the attribute, "" for none.
func (f field) block() string {
	block, _, nested := strings.Cut(f.attribute, ".")
	if !nested {
		return ""
	}
	return block
}

// field makes an attribute from variables: the first that is set counts, and
// the others are older names of it.
type field struct {
	// attribute may be one of a nested block: tls.mode.
	attribute string
	variables []string
	form      form
	// fallback, in HCL, stands for one that the block must have.
	fallback string
	// beside names variables: the fallback is for a script that sets one. None: always.
	beside []string
	// archive is the strategy of the scripts' archives that the variables are for; "": any.
	archive string
	// moved says what is different now; otherwise the variable is kept.
	moved string
}

// strategy is one of the scripts' and what becomes of it.
type strategy struct {
	// script is its name in the scripts, name the one in bkp.
	script, name string
	// with is a variable that must not be empty for this one.
	with   string
	fields []field
}

// copiedArchive is the scripts' archive that copies snapshots of Amazon elsewhere.
const copiedArchive = "aws-snapshots"

// archiveChoice is the variable that chooses the scripts' archive.
const archiveChoice = "BACKUP_ARCHIVE_TYPE"

const kindElasticsearch = "elasticsearch"

// The environment variables that stand for secrets.
const (
	databasePassword = "BKP_DB_PASSWORD"
	searchPassword   = "BKP_ELASTICSEARCH_PASSWORD" //nolint:gosec // the name of a variable
	instancePassword = "BITBUCKET_BACKUP_PASSWORD"
)

// part is a kind of block, and the variables that choose its strategy.
type part struct {
	kind       string
	block      string
	choice     []string
	strategies []strategy
}

func parts() []part {
	return []part{homes(), databases(), archives(), searches()}
}

func homes() part {
	files := []field{
		{attribute: "path", variables: []string{"BITBUCKET_HOME", "STASH_HOME"}, form: asPath, fallback: `"/var/atlassian/application-data/bitbucket"`},
		{attribute: "data_stores", variables: []string{"BITBUCKET_DATA_STORES"}, form: asTexts},
		{attribute: "exclude_repositories", variables: []string{"BITBUCKET_BACKUP_EXCLUDE_REPOS", "STASH_BACKUP_EXCLUDE_REPOS"}, form: asNumbers, moved: "some releases of the scripts ignored it; bkp leaves these repositories out"},
		{attribute: "owner", variables: []string{"BITBUCKET_UID", "STASH_UID"}, form: asOwner, moved: "restored files are given to this owner; the scripts gave them with chown"},
	}
	datasets := field{
		attribute: "datasets", variables: []string{"ZFS_FILESYSTEM_NAMES", "ZFS_HOME_TANK_NAME"}, form: asTexts,
		moved: "bkp finds the datasets from the mounts, child datasets too, and refuses any that is not named here",
	}
	ebs := []field{
		{
			attribute: "path", variables: []string{"BITBUCKET_HOME", "STASH_HOME", "HOME_DIRECTORY_MOUNT_POINT"}, form: asPath, fallback: `"/var/atlassian/application-data/bitbucket"`,
			moved: "the folder that holds shared/; the scripts took the volume as a whole, which bkp finds from it",
		},
		{attribute: "data_stores", variables: []string{"BITBUCKET_DATA_STORES", "EBS_VOLUME_MOUNT_POINT_AND_DEVICE_NAMES"}, form: asStores, moved: "the volumes besides that of the home, by where they are mounted; bkp finds their devices"},
		files[2], files[3],
		{attribute: "region", variables: []string{"AWS_REGION"}},
		{attribute: "instance_id", variables: []string{"AWS_EC2_INSTANCE_ID"}},
		additionalTags(),
		{attribute: "freeze", variables: []string{"FSFREEZE"}, form: asFreeze, moved: "without it, bkp writes what is in memory and freezes nothing"},
		{attribute: "restore.volume_type", variables: []string{"RESTORE_DISK_VOLUME_TYPE", "RESTORE_HOME_DIRECTORY_VOLUME_TYPE"}, form: asVolumeType},
	}
	return part{providers.Homes.Name(), "shared", []string{"BACKUP_DISK_TYPE", "BACKUP_HOME_TYPE"}, []strategy{
		{script: "rsync", name: "rsync", fields: files},
		{script: "amazon-ebs", name: "aws_ebs", fields: ebs},
		{script: "zfs", name: "zfs", fields: append(slices.Clone(files), datasets)},
		{script: "lvm", name: "lvm", fields: files},
		{script: "none", name: "none"},
	}}
}

// additionalTags are of what is made besides those of bkp.
func additionalTags() field {
	return field{attribute: "tags", variables: []string{"AWS_ADDITIONAL_TAGS"}, form: asTags}
}

// managed are the fields of a database that Amazon runs, which attribute names.
func managed(attribute string) []field {
	return []field{
		{attribute: attribute, variables: []string{"RDS_INSTANCE_ID", "BACKUP_RDS_INSTANCE_ID"}, fallback: `"bitbucket"`},
		{attribute: "region", variables: []string{"AWS_REGION"}},
		additionalTags(),
		{attribute: "method", variables: []string{"BACKUP_DEST_REGION", "BACKUP_RDS_DEST_REGION"}, form: asSnapshot, archive: copiedArchive, moved: "a point in time, which users wait for less, cannot be copied"},
		{attribute: "restore.identifier", variables: []string{"RESTORE_RDS_INSTANCE_ID"}, moved: "bkp never renames the live database"},
		{attribute: "restore.class", variables: []string{"RESTORE_RDS_INSTANCE_CLASS"}},
		{attribute: "restore.subnet_group", variables: []string{"RESTORE_RDS_SUBNET_GROUP_NAME"}},
		{attribute: "restore.security_groups", variables: []string{"RESTORE_RDS_SECURITY_GROUP"}, form: asTexts},
	}
}

func databases() part {
	level := []field{
		{
			attribute: "data_directory", variables: []string{"STANDBY_DATABASE_DATA_DIR"}, form: asPath, fallback: `"/var/lib/postgresql/data"`,
			moved: "the scripts name that of the standby alone; check that it is the same on this machine",
		},
		{attribute: "database", variables: []string{"BITBUCKET_DB", "STASH_DB"}, fallback: `"bitbucket"`},
	}
	return part{providers.Databases.Name(), "main", []string{"BACKUP_DATABASE_TYPE"}, []strategy{
		{script: "postgresql", name: "postgresql", fields: []field{
			{attribute: "host", variables: []string{"POSTGRES_HOST"}, fallback: `"localhost"`},
			{attribute: "port", variables: []string{"POSTGRES_PORT"}, form: asNumber},
			{attribute: "database", variables: []string{"BITBUCKET_DB", "STASH_DB"}, fallback: `"bitbucket"`},
			{attribute: "username", variables: []string{"POSTGRES_USERNAME"}, fallback: `"bitbucket"`},
			{attribute: "password", variables: []string{"PGPASSWORD", "POSTGRES_PASSWORD"}, form: asSecret},
			{attribute: "tls.mode", variables: []string{"PGSSLMODE"}},
			{attribute: "tls.ca_file", variables: []string{"PGSSLROOTCERT"}, form: asPath},
			{attribute: "tls.cert_file", variables: []string{"PGSSLCERT"}, form: asPath},
			{attribute: "tls.key_file", variables: []string{"PGSSLKEY"}, form: asPath},
			{attribute: "jobs", variables: []string{"PG_PARALLEL"}, form: asJobs, moved: "the scripts dumped under the lock; bkp dumps after the unlock, from a snapshot"},
		}},
		{script: "mysql", name: "mysql", fields: []field{
			{attribute: "host", variables: []string{"MYSQL_HOST"}, fallback: `"localhost"`},
			{attribute: "port", variables: []string{optionPort}, form: asNumber},
			{attribute: "socket", variables: []string{optionSocket}, form: asPath},
			{attribute: "database", variables: []string{"BITBUCKET_DB", "STASH_DB"}, fallback: `"bitbucket"`},
			{attribute: "username", variables: []string{"MYSQL_USERNAME"}, fallback: `"bitbucket"`},
			{attribute: "password", variables: []string{"MYSQL_PASSWORD"}, form: asSecret},
			{attribute: "tls.mode", variables: []string{optionMode}},
			{attribute: "tls.ca_file", variables: []string{optionCA}, form: asPath},
			{attribute: "tls.cert_file", variables: []string{optionCert}, form: asPath},
			{attribute: "tls.key_file", variables: []string{optionKey}, form: asPath},
		}},
		{script: "amazon-rds", with: "IS_AURORA", name: "aws_aurora", fields: managed("cluster")},
		{script: "amazon-rds", name: "aws_rds", fields: managed("instance")},
		{script: "postgresql-fslevel", name: "postgresql_volume", fields: level},
		{script: "postgresql93-fslevel", name: "postgresql_volume", fields: level},
		{script: "postgresql-docker", name: "postgresql-docker", fields: []field{
			{attribute: "database", variables: []string{"BITBUCKET_DB"}},
			{attribute: "username", variables: []string{"POSTGRES_USERNAME"}},
			{attribute: "container", variables: []string{"POSTGRES_HOST"}},
		}},
		{script: "mssql", name: "sqlserver", fields: []field{
			{attribute: "host", variables: []string{"SQLCMDSERVER"}},
			{attribute: "database", variables: []string{"BITBUCKET_DB", "STASH_DB"}},
			{attribute: "username", variables: []string{"SQLCMDUSER"}},
			{attribute: "password", variables: []string{"SQLCMDPASSWORD"}, form: asSecret},
			{attribute: "server_path", variables: []string{"BITBUCKET_BACKUP_WIN_DB"}, form: asServerPath, fallback: `"/var/opt/mssql/backup"`, moved: "a folder of the server's disk, in which bkp names the files; the scripts named one file"},
		}},
		{script: "none", name: "none"},
	}}
}

func archives() part {
	destination := field{attribute: "destination", variables: []string{"BITBUCKET_BACKUP_ARCHIVE_ROOT", "STASH_BACKUP_ARCHIVE_ROOT"}, form: asPath, fallback: `"/backup/archives"`}
	return part{providers.Archives.Name(), "main", []string{archiveChoice}, []strategy{
		{script: "tar", name: "tar", fields: []field{destination}},
		{script: "gpg-zip", name: "tar", fields: []field{
			destination,
			{attribute: "encryption", variables: []string{"BITBUCKET_BACKUP_GPG_RECIPIENT", "STASH_BACKUP_GPG_RECIPIENT", "GPG_RECIPIENT"}, form: asSealed},
		}},
		{script: copiedArchive, name: "aws_snapshots", fields: []field{
			{attribute: "assume_role.arn", variables: []string{"BACKUP_DEST_AWS_ROLE"}, moved: "the scripts only tagged there; bkp copies into the account"},
			{attribute: "region", variables: []string{"BACKUP_DEST_REGION", "BACKUP_EBS_DEST_REGION", "BACKUP_RDS_DEST_REGION"}},
			additionalTags(),
		}},
		{script: "none", name: "none"},
		{script: "", name: "none"},
	}}
}

func searches() part {
	address := field{attribute: "url", variables: []string{"ELASTICSEARCH_HOST"}, form: asHTTP, moved: "the scripts spoke plain http; write https if the server does"}
	repository := field{attribute: "repository", variables: []string{"ELASTICSEARCH_REPOSITORY_NAME"}}
	password := []string{"ELASTICSEARCH_PASSWORD", "ELASTICSEARCH_CREDENTIALS"}
	login := []field{
		address, repository,
		{attribute: "username", variables: []string{"ELASTICSEARCH_USERNAME"}, fallback: `"admin"`, beside: password},
		{attribute: "password", variables: password, form: asSecret},
	}
	with := func(fields []field, more ...field) []field { return append(slices.Clone(fields), more...) }
	// The scripts register the repository when it is missing.
	register := func(variable string) field {
		return field{attribute: "register", variables: []string{variable}, form: asTrue}
	}
	bucket := field{attribute: "bucket", variables: []string{"ELASTICSEARCH_S3_BUCKET"}}
	region := field{attribute: "region", variables: []string{"ELASTICSEARCH_S3_BUCKET_REGION"}}
	home := region
	home.fallback = `"us-east-1"`
	signed := address
	signed.form, signed.moved = asHTTPS, "the address of the domain"
	return part{kindElasticsearch, "search", []string{"BACKUP_ELASTICSEARCH_TYPE"}, []strategy{
		{script: "s3", name: "s3", fields: with(login, bucket, region, register("ELASTICSEARCH_S3_BUCKET"))},
		{script: "fs", name: "fs", fields: with(login, field{attribute: "location", variables: []string{"ELASTICSEARCH_REPOSITORY_LOCATION"}, form: asPath}, register("ELASTICSEARCH_REPOSITORY_LOCATION"))},
		{script: "amazon-es", name: "amazon_es", fields: []field{
			signed, repository, home, bucket, {attribute: "role_arn", variables: []string{"ELASTICSEARCH_SNAPSHOT_IAM_ROLE"}}, register("ELASTICSEARCH_SNAPSHOT_IAM_ROLE"),
		}},
	}}
}
