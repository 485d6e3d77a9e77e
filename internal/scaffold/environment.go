package scaffold

import "strings"

const (
	jdbcURLProperty      = "jdbc.url"
	jdbcPasswordProperty = "jdbc.password"
)

// read are the properties that are looked for in the environment.
var read = []string{
	jdbcURLProperty, "jdbc.driver", "jdbc.user", jdbcPasswordProperty, "setup.baseUrl", "setup.sysadmin.username",
	"server.port", "server.context-path", "server.ssl.enabled", "server.proxy-name", "server.proxy-port", "server.secure", "server.scheme",
}

// variablesOf are the environment variables of a property: as Atlassian's images write
// it, with an underscore for each dash, and as Spring does, without.
func variablesOf(property string) []string {
	upper := strings.ToUpper(strings.ReplaceAll(property, ".", "_"))
	return []string{strings.ReplaceAll(upper, "-", "_"), strings.ReplaceAll(upper, "-", "")}
}

// fromEnvironment are the properties that the environment has.
func fromEnvironment(lookup func(string) (string, bool)) map[string]string {
	out := map[string]string{}
	for _, property := range read {
		for _, name := range variablesOf(property) {
			if v, ok := lookup(name); ok && v != "" {
				out[property] = v
				break
			}
		}
	}
	return out
}
