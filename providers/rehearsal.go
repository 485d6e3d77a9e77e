package providers

import "context"

// Rehearser is a database strategy that can restore a backup where it harms
// nobody, to prove that it can be restored: in a server that it starts for the
// purpose.
type Rehearser interface {
	// CheckRehearsal reports what keeps Rehearse from working, such as programs
	// of a server that are missing, and in its Space what it will take below
	// place.Dir. It MUST change nothing.
	CheckRehearsal(ctx context.Context, a Artifact, place Place) (Report, error)

	// Rehearse starts what the restore needs. All files that it makes MUST lie
	// below place.Dir, and every process MUST end with this one, however
	// it ends. The caller MUST close the rehearsal.
	Rehearse(ctx context.Context, a Artifact, place Place) (Rehearsal, error)
}

// Derived is a strategy of state that Bitbucket makes again from the rest: a backup can
// be relied on without it, so a drill leaves it out.
type Derived interface {
	// Derived says what that means for an operator: a sentence.
	Derived() string
}

// Place is where a rehearsal may write.
type Place struct {
	// Dir is the rehearsal's own folder. It need not exist yet.
	Dir string
	// Home is where the home is restored.
	Home string
}

// Rehearsal is a restore on trial.
type Rehearsal interface {
	// Restorer restores into the scratch server.
	Restorer() Restorer

	// Named returns the ids of the repositories that the restored database
	// names. known is false when nothing can read it.
	Named(ctx context.Context) (ids []int64, known bool, err error)

	// NotImitated returns in what the rehearsal was unlike a restore by the
	// configured account into the server that is in use, as far as it came: a
	// sentence each, with what to do about it. Nothing is proven unless it
	// is empty.
	NotImitated() []string

	// Close ends the server. Idempotent.
	Close() error
}

// RepositoryHolder is the restorer of a home, which holds repositories.
type RepositoryHolder interface {
	// Repositories looks where Restore of a has put them.
	Repositories(ctx context.Context, a Artifact) (RepositorySet, error)
}

// RepositorySet is what a restored home holds.
type RepositorySet struct {
	Found []Repository
	// Excluded are the ids of those that were left out on purpose.
	Excluded []int64
	// Moved maps every folder that was captured to where it lies now.
	Moved map[string]string
}

// Repository is a folder that holds one.
type Repository struct {
	ID  int64
	Dir string
	// Group is that of a replica on a Mesh node, which has all repositories of a
	// group or none; "" elsewhere.
	Group string
}
