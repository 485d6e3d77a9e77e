// Package connection is what connections to other machines share: a program of
// this machine whose standard input and output lead to a shell over there.
//
// It leaves out what is said on the stream, which is the engine's.
package connection
