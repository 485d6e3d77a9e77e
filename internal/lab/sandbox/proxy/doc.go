// Package proxy stands between a client and the sandbox, and answers in the
// instance's place: as a balancer, a log-in page or a firewall does.
//
// What it does is a table of rules, in Go or in JSON: which call, which of its
// occurrences or for how long, passed on to the instance or not, and what
// answer comes back. The instance itself, and what it reports by its control
// address, stays as it is, so that a test can ask it how things are in truth.
//
// It leaves out every judgement of what a client should make of an answer.
package proxy
