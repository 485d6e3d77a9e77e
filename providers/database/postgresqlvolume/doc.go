// Package postgresqlvolume is the strategy database "postgresql_volume": the files
// of a PostgreSQL server, which the home's snapshots hold.
//
// PostgreSQL writes its files all the time, also while Bitbucket is locked. A copy
// of them is good only if all are of one instant: then the server that is started on
// it recovers, as it would after a power cut. So data, log of changes and all
// tablespaces have to lie on one volume, or on several that the storage captures at
// one instant; the home's strategy proves it. Links that lead out of the data
// directory are refused: a restored server would follow them to the live files.
//
// A drill starts a server on the restored files, with settings of its own, and asks
// it for Bitbucket's repositories.
package postgresqlvolume
