// Package providertest is what every strategy must pass: Run drives one through
// all its obligations, Tree and SameTrees compare files with everything that
// they carry, and Churn changes a tree at random as users would, and as they
// should not.
//
// It is imported by tests only, and leaves out what is special to one strategy.
package providertest
