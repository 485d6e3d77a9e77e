// Package awssnapshots is the strategy archive "aws_snapshots": copies of snapshots of
// Amazon in another region, or in another account, with a retention of their own.
//
// What can be copied says a strategy itself (aws.Copyable). The originals are shared with
// the other account for the time of the copy, which is made with that account's keys.
//
// A copy has tags from its first moment that say whose it is; that of a request whose
// reply was lost is found by them, and not made twice. The manifest comes last, in tags
// as well: copies without it are no backup. A restore copies them back for the time it
// takes, if the originals are gone.
package awssnapshots
