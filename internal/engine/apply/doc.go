// Package apply follows a plan: live steps, then the lock and what happens
// under it, then the steps that need no lock.
//
// The lock is a scope. whileLocked alone locks, and whatever happens inside —
// an error, a panic, a cancelled context, a passed budget — it ends the backup
// task and unlocks before it returns, with a context that ignores
// cancellation. Only then is anything cleaned up. Each effect is journaled
// before it happens, so that another process can finish what a killed one
// left.
//
// The package decides nothing: what to do stands in the plan. It leaves out
// how it looks (it emits events) and which exit code an error leads to
// (internal/cli).
package apply
