// Package aws speaks to Amazon for strategies: who asks and where (Access), the calls of EC2,
// RDS and STS that they need, as plain data, and what their errors mean to an
// operator. It is the only package that imports the services of Amazon's SDK, which
// take long to compile.
//
// What changes something and has no idempotency token is sent once: the SDK would
// repeat it after a lost reply, and have its effect twice. Who calls it looks afterwards
// for what came of it.
package aws
