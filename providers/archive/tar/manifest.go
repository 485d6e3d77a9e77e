package tar

const rebuildRemedy = "bring it back; or make it again from the parts, if all that is in them fits its checksums:\n\n    bkp list --refresh\n"

// maxRecord bounds the memory that the record of a damaged part may take, in bytes.
const maxRecord = 64 << 20
