// Package drill proves that a backup can be restored, by restoring it: the home
// into a scratch folder, the database into a scratch server. Then git reads the
// repositories, and those that the database names are compared with those on
// disk.
//
// Nothing of a drill outlives it. The scratch folder is named in a record of
// the state folder before it exists, and the record is locked for as long as
// the drill lives, so that Clean can remove what one left that was killed; its
// database server ends with it (see internal/scratch).
//
// The package leaves out how the database is restored (providers.Rehearser),
// the record of what was proven (internal/records/catalog) and how it looks.
package drill
