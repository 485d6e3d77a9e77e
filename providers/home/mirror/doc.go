// Package mirror is the strategy home "mirror": a working copy in the state
// folder that is brought up to date twice, once while users work and once under
// the lock, in pure Go.
//
// The first pass may take as long as it must; what vanishes or changes meanwhile
// is left to the second. The second costs one stat a file and the copy of what
// changed since, so the lock window does not grow with the size of the home. It
// refuses a home that changes under the lock.
//
// The working copy is a cache. It stays between runs, and what an interrupted
// run left of it is compared with the home, byte by byte where needed (see
// treesync for what is believed, and why files are not synced one by one). The
// archive reads the copy through the page cache, so nothing has to reach the
// disk under the lock.
//
// Mount points inside the home are crossed, for shared/ often is one. Sockets
// are left out.
package mirror
