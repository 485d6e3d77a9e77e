// Package text is how bkp looks to a person: plans, diagnostics, the events of
// a run, tables.
//
// Rules of the interface:
//   - lower case, no full stop at the end of a line
//   - an error is "bkp: error:" with a constant summary and the detail, then
//     "bkp: hint:" with the remedy; commands to copy stand alone, indented
//   - results go to standard output, everything else to standard error
//   - on a terminal progress is live; elsewhere it is one plain line an event
//   - 60 columns are enough: what does not fit is wrapped, a table becomes a
//     block for each row
//   - a run's summary always names the lock window
//
// It is the only package that imports pterm.
package text
