// Package database holds what strategies for databases share: the words of
// their findings, the care of earlier dumps, and the watch over one that is made.
//
// It leaves out all that is special to one server.
package database
