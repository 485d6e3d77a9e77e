// Package all is the explicit list of every strategy.
package all

import (
	"bkp/providers/archive/awssnapshots"
	archivenone "bkp/providers/archive/none"
	"bkp/providers/archive/restic"
	"bkp/providers/archive/snapshots"
	"bkp/providers/archive/tar"
	"bkp/providers/archive/tree"
	connectioncommand "bkp/providers/connection/command"
	"bkp/providers/connection/ssh"
	"bkp/providers/database/awsaurora"
	"bkp/providers/database/awsrds"
	databasecommand "bkp/providers/database/command"
	"bkp/providers/database/embedded"
	"bkp/providers/database/mysql"
	databasenone "bkp/providers/database/none"
	"bkp/providers/database/postgresql"
	"bkp/providers/database/postgresqlvolume"
	"bkp/providers/database/sqlserver"
	"bkp/providers/elasticsearch/amazones"
	searchfs "bkp/providers/elasticsearch/fs"
	searchs3 "bkp/providers/elasticsearch/s3"
	"bkp/providers/encryption/age"
	"bkp/providers/encryption/gpg"
	"bkp/providers/home/awsebs"
	"bkp/providers/home/btrfs"
	homecommand "bkp/providers/home/command"
	"bkp/providers/home/lvm"
	"bkp/providers/home/mirror"
	homenone "bkp/providers/home/none"
	"bkp/providers/home/rsync"
	"bkp/providers/home/zfs"
	"bkp/providers/metrics/prometheus"
	"bkp/providers/notify/email"
	"bkp/providers/notify/healthchecks"
	"bkp/providers/notify/slack"
	"bkp/providers/notify/teams"
	"bkp/providers/notify/webhook"

	"bkp/providers"
)

// Registry lists every strategy of this version.
func Registry() *providers.Registry {
	return providers.NewRegistry(
		mirror.Definition(),
		rsync.Definition(),
		btrfs.Definition(),
		lvm.Definition(),
		zfs.Definition(),
		awsebs.Definition(),
		homecommand.Definition(),
		homenone.Definition(),
		mirror.NodeDefinition(),
		rsync.NodeDefinition(),
		btrfs.NodeDefinition(),
		lvm.NodeDefinition(),
		zfs.NodeDefinition(),
		homecommand.NodeDefinition(),
		embedded.Definition(),
		postgresql.Definition(),
		postgresqlvolume.Definition(),
		mysql.Definition(),
		sqlserver.Definition(),
		awsrds.Definition(),
		awsaurora.Definition(),
		databasecommand.Definition(),
		databasenone.Definition(),
		searchfs.Definition(),
		searchs3.Definition(),
		amazones.Definition(),
		tar.Definition(),
		restic.Definition(),
		tree.Definition(),
		snapshots.Definition(),
		awssnapshots.Definition(),
		archivenone.Definition(),
		age.Definition(),
		gpg.Definition(),
		ssh.Definition(),
		connectioncommand.Definition(),
		webhook.Definition(),
		slack.Definition(),
		teams.Definition(),
		email.Definition(),
		healthchecks.Definition(),
		prometheus.Definition(),
	)
}

// Packer is what streams trees between machines.
func Packer() providers.Packer { return tar.Packer() }
