package providers

// RetentionBlock is the type of the blocks that say which backups are kept. It
// is no kind: its blocks have no strategy, and nothing is opened.
const RetentionBlock = "retention"

// Retained is the attribute of an archive that may have a retention of its own:
// two days of snapshots on the filer, a year in the bucket. A configuration
// embeds it; the engine finds what it refers to.
type Retained struct {
	Retention Ref[struct{}] `hcl:"retention,optional" kind:"retention" help:"which backups stay in this archive" unset:"that of the instance"`
}
