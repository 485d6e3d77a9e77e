// Package guardian keeps an instance from staying locked when bkp dies while
// it holds the lock: kill -9, out of memory, a bug in the runtime.
//
// Before the lock bkp starts a child of the same binary, in a session of its
// own, and sends it over a pipe how to reach the instance. It is the child that
// asks for the lock, so that the token cannot be lost with bkp: it hands it over
// by another pipe. The token that cancels the task goes down the first pipe as
// soon as bkp has it. None is ever an argument or in the environment.
// When the pipe ends without the word that all is released, the parent is dead,
// and the child ends the backup task and unlocks. It does so too when the parent
// still lives and is past the time that it said it would take: a process that is
// stopped keeps its pipes. While the parent lives and keeps time it does nothing.
//
// Nothing is left of the child when the run is over. Machines that die are not
// its business: then the journal remembers, and `bkp recover` finishes.
package guardian
