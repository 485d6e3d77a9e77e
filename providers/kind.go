package providers

import (
	"fmt"
	"reflect"
)

// Kind is a type of blocks that have strategies, and what these open: S is
// Strategy, Archiver or another interface of the contract. A kind is declared
// by its value alone: see Homes.
type Kind[S any] struct {
	name  string
	about About
}

// About is what bkp says of a kind, and how it treats it.
type About struct {
	// Summary is one line for the reference.
	Summary string
	// Plural is what checks call all blocks of the kind: bkp.homes.
	Plural string
	// Unchecked says what a plan that was made offline could not check.
	Unchecked string
	// Measured is set if an estimate says how large a backup will be. The dump of
	// a database is not as large as the database.
	Measured bool
	// Absent says what it means for a backup that the instance refers to no block of
	// the kind, though it may; "" if nothing is lost.
	Absent string
	// Several is set if an instance may have more than one of the kind. What is
	// compared with earlier backups then is what had the same name.
	Several bool
}

// NewKind makes a kind. name is the type of its blocks. Two kinds of one name
// MUST NOT meet in a Registry.
func NewKind[S any](name string, about About) Kind[S] { return Kind[S]{name, about} }

// The kinds of this version.
var (
	Homes = NewKind[Strategy]("home", About{
		Summary: "how the home, with the repositories in it, is captured", Plural: "homes", Measured: true,
		Unchecked: "that its folders exist and can be read, its size, the tools it needs",
	})
	MeshNodes = NewKind[Strategy]("mesh_node", About{
		Summary: "how the home of a Mesh node, with the repositories in it, is captured", Plural: "mesh_nodes", Measured: true, Several: true,
		Unchecked: "that its folder exists and can be read, its size, the tools it needs, that it is a Mesh node of the instance",
	})
	Databases = NewKind[Strategy]("database", About{
		Summary: "how the database is captured", Plural: "databases",
		Unchecked: "that it can be reached, its version and identity, the permissions, its size, the tools it needs",
	})
	// Searches is called as Bitbucket's settings call it, and means OpenSearch, too.
	Searches = NewKind[Strategy]("elasticsearch", About{
		Summary: "how the search index is captured, of Elasticsearch or OpenSearch", Plural: "searches",
		Unchecked: "that the search server can be reached, its version and identity, its indices, its snapshot repository, the permissions",
		Absent:    "the search index is not backed up: after a restore Bitbucket builds it anew, and until that has ended search finds little and project pages may lack repositories",
	})
	Archives = NewKind[Archiver]("archive", About{
		Summary: "where backups are kept", Plural: "archives",
		Unchecked: "that the destination can be written, which backups it holds, the tools it needs",
	})
	Encryptions = NewKind[Sealer]("encryption", About{
		Summary: "for whom archives are encrypted", Plural: "encryptions",
		Unchecked: "that the keys of the recipients can be used, the tools it needs",
	})
)

// AnyKind is a kind, whatever it opens. Only Kind implements it; two are the
// same if they are equal.
type AnyKind interface {
	// Name is the type of the blocks, such as home.
	Name() string
	About() About

	opens() reflect.Type
}

// Name implements AnyKind.
func (k Kind[S]) Name() string { return k.name }

// About implements AnyKind.
func (k Kind[S]) About() About { return k.about }

func (k Kind[S]) opens() reflect.Type { return reflect.TypeFor[S]() }

// Open makes what the strategy's blocks stand for. cfg MUST come from
// d.NewConfig; it stays as it is.
func (k Kind[S]) Open(d Definition, cfg any, env Env) (S, error) {
	var none S
	if d.Kind != AnyKind(k) {
		return none, fmt.Errorf("%s is of another kind than %s", d.Name(), k.name)
	}
	made, err := d.Open(cfg, env)
	if err != nil {
		return none, err
	}
	return as[S](made, env.Address)
}

// as is a type assertion with a reason. A nil stays one, as tests have it.
func as[S any](made any, address string) (S, error) {
	out, ok := made.(S)
	if !ok && made != nil {
		return out, fmt.Errorf("%s is a %T, and not a %s", address, made, reflect.TypeFor[S]())
	}
	return out, nil
}
