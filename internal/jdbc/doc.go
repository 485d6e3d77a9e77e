// Package jdbc reads addresses of databases as Java writes them.
//
// It leaves out what a driver makes of their parameters.
package jdbc
