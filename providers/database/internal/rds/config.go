package rds

import (
	"fmt"
	"regexp"
	"slices"

	"bkp/providers"
	"bkp/providers/internal/aws"
)

// The methods by which a database is captured.
const (
	PointInTime = "point_in_time"
	OfSnapshot  = "snapshot"
)

// Config says which database is captured, and how.
type Config struct {
	Access aws.Access
	// Kind is Instances or Clusters, Name that of the strategy: database "aws_rds".
	Kind aws.Kind
	Name string
	// Database is its name in RDS, Attribute how a block calls that.
	Database, Attribute string
	// Snapshot takes one; otherwise a point in time is chosen.
	Snapshot bool
	Restore  Restore
}

// Restore describes the database that a restore makes. What is empty is that of the one
// that was captured.
type Restore struct {
	// Identifier is its name, by default that of the database, followed by -restored.
	Identifier                                      string
	Class, SubnetGroup, ParameterGroup, OptionGroup string
	SecurityGroups                                  []string
	// Key encrypts a snapshot that is copied back from another region or account.
	Key string
	// Members are how many instances a cluster gets.
	Members int
	// Properties is a bitbucket.properties whose jdbc.url is to lead to it, "" for none.
	Properties string
}

// Identifier is what RDS takes for a name.
var Identifier = regexp.MustCompile(`^[A-Za-z](-?[A-Za-z0-9]){0,62}$`)

// Target is the name of the database that a restore makes.
func (c Config) Target(given string) string {
	switch {
	case given != "":
		return given
	case c.Restore.Identifier != "":
		return c.Restore.Identifier
	}
	return c.Database + "-restored"
}

// Validate names what is wrong with the names and the method.
func (c Config) Validate(method string) []providers.ConfigProblem {
	var out []providers.ConfigProblem
	for _, given := range [][2]string{{c.Attribute, c.Database}, {"restore.identifier", c.Target("")}} {
		if !Identifier.MatchString(given[1]) {
			out = append(out, providers.ConfigProblem{
				Attribute: given[0], Summary: "not a name of RDS", Detail: fmt.Sprintf("%q is not one", given[1]), Remedy: "use letters, digits and single hyphens, at most 63, the first a letter",
			})
		}
	}
	if !slices.Contains([]string{PointInTime, OfSnapshot}, method) {
		out = append(out, providers.ConfigProblem{Attribute: "method", Summary: "not a way to capture RDS", Detail: fmt.Sprintf("%q is not known", method), Remedy: "write point_in_time or snapshot"})
	}
	return out
}

// Options are those of a definition with a method.
func Options(method string) []providers.Option {
	if method == OfSnapshot {
		return []providers.Option{providers.Does(providers.Prepare, providers.Finish)}
	}
	return nil
}
