// Package planner turns a configuration and what the checks see into a plan.
//
// It runs the read-only checks of every part, in parallel, adds the checks
// that need more than one part (space, folders inside one another), and lays
// out the steps around the lock. It has no side effects and decides
// everything that is to be decided: apply only follows.
//
// Offline lays out the same steps without any check, for a person who reviews a
// change on another machine.
//
// It leaves out reading the configuration (lang) and drawing the plan (ui).
package planner
