// Package report draws how instances stand as one page of HTML: it has no scripts,
// loads nothing, is readable on paper, in the dark and without colours, and escapes
// all texts.
//
// It leaves out what is on the page (internal/engine/overview).
package report
