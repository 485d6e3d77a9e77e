package cli

import "runtime/debug"

// crashDistinctly lets a failure of Go's runtime, such as being out of memory, end
// the process by SIGABRT, which a shell shows as 134. The runtime's own exit code
// is 2, which is that of plan --detailed-exitcode. Before this is called, while
// the runtime starts, nothing can change it.
func crashDistinctly() {
	noCore()
	debug.SetTraceback("crash")
}
