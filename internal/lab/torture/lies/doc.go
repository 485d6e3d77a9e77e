// Command lies puts a proxy between bkp and the sandbox that answers in the
// instance's place, and looks at what bkp makes of it.
//
// Each case disturbs one call at one stage by one false answer: once, for a
// while, or from then on; with the call passed on to the instance or not. It
// does so in a backup, in one that fails, for the guardian of a backup whose
// bkp was killed, in recover, and in unlock. Afterwards it asks the sandbox
// itself, past the proxy, whether it was left locked, and whether users were
// let in while the task ran; compares that with the exit code; heals the proxy
// and sees to it that bkp makes all well, and that the next backup does.
//
//	go run ./internal/lab/torture/lies                  as make torture does
//	go run ./internal/lab/torture/lies --only 'CASE'    one case again, as the report names it
//
// A case is named ACT CALL STAGE ANSWER LIFE PASS. It works on Linux. It leaves
// out whatever happens to bkp itself, which is what internal/lab/torture is for.
package main
