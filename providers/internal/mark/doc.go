// Package mark is what storages keep with a snapshot so that another process finds it:
// whose it is, and the manifest of its backup in pieces.
package mark
