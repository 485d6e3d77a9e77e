// Package awsrds is the strategy database "aws_rds": an instance of Amazon RDS. What it
// does is in providers/database/internal/rds.
package awsrds
