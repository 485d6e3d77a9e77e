// Package stage is about what a restore makes for a while: the folder into which a
// copy is unpacked, and files of the strategies. They are on record before they are
// there, so that a later process can remove what a restore left that was killed.
//
// It leaves out what is unpacked, and who is alone with a record: the restore of this
// machine and the agent of another one know.
package stage
