package cli

// noCore is for Unix.
func noCore() {}
