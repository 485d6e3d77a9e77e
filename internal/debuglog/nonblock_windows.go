package debuglog

// nonBlock is for FIFOs, which are not here.
const nonBlock = 0
