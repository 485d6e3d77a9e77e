package host

// Writable is unknown on Windows without writing.
func Writable(string) error { return nil }
