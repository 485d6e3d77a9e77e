package host

const (
	// NonBlock is for FIFOs, which are not here.
	NonBlock = 0
	// NoFollow is for symbolic links, which only administrators make here.
	NoFollow = 0
)
