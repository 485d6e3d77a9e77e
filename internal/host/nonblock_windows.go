package host

// NonBlock is for FIFOs, which are not here.
const NonBlock = 0
