package home

import (
	"slices"
	"strconv"
	"strings"

	"bkp/providers"
)

// Part is one of the trees that a home consists of.
type Part struct {
	// Name is the part's folder in the artifact's tree: home, stores/0.
	Name string
	// Fact is the key of the part's path among the facts.
	Fact   string
	Source string
	Rules  providers.Rules
	// Volatile are folders of the part whose files change even under the lock:
	// Bitbucket goes on logging.
	Volatile []string
}

// Parts returns the home, then its data stores. A Mesh node has its home alone.
func (b *Base) Parts() []Part {
	l := b.Config.layout()
	o := Options{
		EmbeddedDatabase: b.Env.Instance.EmbeddedDatabase,
		IncludeLogs:      b.Config.IncludeLogs, ExcludeRepositories: b.Config.ExcludeRepositories,
		Exclude: b.Config.Exclude,
	}
	parts := []Part{{Name: "home", Fact: "path", Source: b.Config.Path, Rules: l.rules(o), Volatile: []string{"log"}}}
	for i, store := range b.Config.DataStores {
		parts = append(parts, Part{Name: storeName(i), Fact: storeFact(i), Source: store, Rules: DataStoreRules(o)})
	}
	parts = append(parts, slices.Clone(b.Also)...)
	for i := range parts {
		parts[i].Rules = slices.Concat(parts[i].Rules, ownRules(b.roots(parts[i].Name)))
	}
	return parts
}

// AlsoParts are those of folders.
func AlsoParts(folders []providers.Folder) []Part {
	var out []Part
	for i, f := range folders {
		out = append(out, Part{Name: alsoName(i), Fact: alsoFact(i), Source: f.Path, Rules: slices.Clone(f.LeaveOut)})
	}
	return out
}

func alsoName(i int) string { return "also/" + strconv.Itoa(i) }
func alsoFact(i int) string { return "also." + strconv.Itoa(i) }

// kind is what a part of a name is called in messages.
func kind(name string) string {
	switch {
	case name == "home":
		return "home"
	case strings.HasPrefix(name, "also/"):
		return "folder of the database"
	default:
		return "data store"
	}
}

func storeName(i int) string { return "stores/" + strconv.Itoa(i) }
func storeFact(i int) string { return "store." + strconv.Itoa(i) }
