// Package home is what the strategies of the block home share: Bitbucket's
// home layout, what of it is left out, the check of a home, and its restore.
//
// # The artifact's tree
//
// The tree of an artifact holds the home in "home" and the data stores, in the
// order of the attribute data_stores, in "stores/0", "stores/1" and so on. The
// artifact's facts name where they came from: "path", "store.0", "store.1".
//
// # Restoring elsewhere
//
// With a target of its own a home is restored to that folder, and its data
// stores to TARGET.stores/0, TARGET.stores/1: beside the home, so that nothing
// of the running instance is touched.
//
// The package leaves out how files reach the working copy: that is each
// strategy's own.
package home
