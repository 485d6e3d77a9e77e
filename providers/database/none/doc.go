// Package none is the strategy database "none": nothing is captured, because
// somebody else backs the database up.
//
// It leaves out any promise that such a backup fits the home's.
package none
