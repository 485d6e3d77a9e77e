// Package database holds what strategies for databases share: the words of
// their findings, and the care of earlier dumps.
//
// It leaves out all that is special to one server.
package database
