// Package plan is the plan of a backup as pure data: what was seen, what will
// be done in which order, and where the lock begins and ends.
//
// The lock is a scope (Locked), not a step: there is no unlock node that could
// be skipped, reordered or forgotten. The package imports nothing of ours; the
// planner makes plans, apply follows them, ui draws them.
package plan
