// Package tds speaks the server's side of SQL Server's protocol, for tests: a login, batches
// of SQL with rows, messages and errors as answers, cancellation, and TLS where it is
// asked for. What a batch means is a Handler's affair.
//
// Any message can be refused, held back or lost with its connection: see Fault. Not served are remote
// procedure calls, so a statement has no parameters, and logins by anything but a password.
package tds
