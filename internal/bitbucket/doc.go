// Package bitbucket is a client of Bitbucket Data Center's maintenance
// interface, and the Lease that a lock yields.
//
// Calls that only look are repeated on 5xx and resets. Lock and Start change
// something and are never repeated: a reply that got lost is distinguished from
// a refusal (ErrUnknown), because the server may have acted. Release puts an
// instance back into service whatever state it was left in, and may be called
// again.
//
// The package leaves out when to lock and what to do meanwhile (internal/engine/apply)
// and where tokens are kept (internal/records/journal). The facts it relies on stand in
// docs/bitbucket.md.
package bitbucket
