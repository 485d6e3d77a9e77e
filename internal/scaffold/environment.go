package scaffold

import "bkp/internal/javaprops"

const (
	jdbcURLProperty      = "jdbc.url"
	jdbcDriverProperty   = "jdbc.driver"
	jdbcPasswordProperty = "jdbc.password"
)

// read are the properties that are looked for in the environment.
var read = []string{
	jdbcURLProperty, jdbcDriverProperty, "jdbc.user", jdbcPasswordProperty, "setup.baseUrl", "setup.sysadmin.username",
	"server.port", "server.context-path", "server.ssl.enabled", "server.proxy-name", "server.proxy-port", "server.secure", "server.scheme",
}

// fromEnvironment are the properties that the environment has.
func fromEnvironment(lookup func(string) (string, bool)) map[string]string {
	out := map[string]string{}
	for _, property := range read {
		for _, name := range javaprops.Variables(property) {
			if v, ok := lookup(name); ok && v != "" {
				out[property] = v
				break
			}
		}
	}
	return out
}
