// Package post sends one small message to a server over HTTP, within a time, and
// with no secret in its errors.
//
// It leaves out what the message says, and when it is sent.
package post
