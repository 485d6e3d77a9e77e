package home

import (
	"strconv"

	"bkp/providers"
)

// Options of the rules of a Data Center home.
type Options struct {
	// EmbeddedDatabase keeps the files of the embedded database.
	EmbeddedDatabase bool
	// IncludeLogs keeps the logs.
	IncludeLogs bool
	// ExcludeRepositories are the ids of repositories to leave out.
	ExcludeRepositories []int
	// Exclude are rules of the operator for the home.
	Exclude []string
}

// logs is left out unless asked for.
const logs = "/log/"

// DataCenterRules returns the rules of a Data Center home. Caches, temporary
// files, locks and exports are worth nothing later, and the search index is
// rebuilt by Bitbucket.
func DataCenterRules(o Options) providers.Rules {
	r := providers.Rules{"/caches/", "/tmp", "/.lock", "/shared/.lock"}
	if !o.IncludeLogs {
		r = append(r, logs)
	}
	if !o.EmbeddedDatabase {
		r = append(r, "/data/db.*", "/shared/data/db.*")
	}
	r = append(r, "/search/data/", "/shared/search/data/", "/export/", "/shared/export/", "/plugins/.*/")
	for _, id := range o.ExcludeRepositories {
		r = append(r, "/shared/data/repositories/"+strconv.Itoa(id)+"/")
	}
	return append(r, o.Exclude...)
}

// DataStoreRules returns the rules of a data store, which holds repositories
// two levels deep.
func DataStoreRules(o Options) providers.Rules {
	var r providers.Rules
	for _, id := range o.ExcludeRepositories {
		r = append(r, "/repositories/*/*/"+strconv.Itoa(id)+"/")
	}
	return r
}

// MeshRules returns the rules of a Mesh node's home, which has nothing of a
// Data Center home but these.
func MeshRules() providers.Rules { return providers.Rules{"/caches/", logs, "/tmp", "/.lock"} }
