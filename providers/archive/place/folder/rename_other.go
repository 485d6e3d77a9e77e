//go:build !linux

package folder

// renameNew gives a file its name, unless something has it.
func renameNew(from, to string) error { return renameIfAbsent(from, to) }
