// Package journal is the record of a run: one file a run in the state folder,
// one JSON object a line, appended before each effect.
//
// What a new process needs to put things right after a crash is here: the
// tokens of a lock, and which components were started. A record that must not
// get lost is synced before Append returns. The last line of a run that was
// killed may be torn; Read leaves it out.
//
// The package leaves out what to do about an unfinished run (internal/engine/recovery).
package journal
