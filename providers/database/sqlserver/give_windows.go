package sqlserver

// give does nothing: a file has the rights of its folder there.
func give(string, string) error { return nil }
