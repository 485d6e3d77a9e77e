// Package notify is what the strategies of notices share: which occasions a block
// asks for, the texts of a notice, templates, and sending over HTTP.
//
// It leaves out when there is a notice (internal/engine) and how each service
// wants it (the packages below).
package notify
