// Package engine does what bkp does with a configuration: it plans, applies,
// resumes, restores, verifies, drills, recovers and reads again what archives
// hold. A program without a terminal could use it as the command line does.
//
// What it finds and does, it says to a Front. It leaves out flags, questions,
// tables and exit codes (internal/cli), and how events look (internal/ui).
package engine
