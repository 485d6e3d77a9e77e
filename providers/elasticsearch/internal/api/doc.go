// Package api makes the calls to Elasticsearch and OpenSearch that snapshots of an
// index need: a dozen, which both servers have since version 7 and version 1.
//
// It leaves out what a backup is. Every error that a server gave is a *Fault, wrapped
// in a problem that says what to do.
package api
