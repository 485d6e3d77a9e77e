// Package graph draws the steps of plans as a graph, in Graphviz's DOT and in
// Mermaid: a node a step, an edge where one waits for another, and the lock
// as a box whose first and last node are the lock and the unlock. What a step
// works with and has no steps of its own, such as a connection, is joined to it
// by a dashed edge.
//
// DOT is written here rather than by a library: it is some lines, and the only
// hard part, quoting, is proven by a parser in the tests. The package leaves
// out how plans look as text (ui/text) and as Markdown (ui/markdown).
package graph
