// Package awsaurora is the strategy database "aws_aurora": a cluster of Amazon Aurora.
// What it does is in providers/database/internal/rds; a restored cluster gets its
// members, too.
package awsaurora
