// Package embedded is the strategy database "embedded": the H2 database that
// Bitbucket keeps in its home, as data/db.* or shared/data/db.*.
//
// Its files are captured and restored by the home's strategy, which keeps them
// when it is configured for the embedded database (see
// providers.Instance.EmbeddedDatabase). Here is only proven that they are
// there.
//
// The package leaves out the database's content. Once Bitbucket is drained,
// its files hold all of it.
package embedded
