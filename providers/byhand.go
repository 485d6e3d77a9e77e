package providers

// ByHand is an archive whose backups can be restored without bkp.
type ByHand interface {
	// ByHand are shell commands that unpack into the folder $work what the archive
	// has of m, each a line of its own, and what has to be installed for them. They
	// hold no secret.
	ByHand(m Manifest) (commands, needs []string)
}
