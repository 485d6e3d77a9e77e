package scaffold

import (
	"net"
	"net/url"
	"strings"
)

// jdbcURL is the address of a database as Java writes it:
// jdbc:postgresql://db.example.com:5432/bitbucket?sslmode=require.
type jdbcURL struct {
	// scheme is what follows jdbc:, such as postgresql.
	scheme     string
	host, port string
	// others are further hosts of a cluster.
	others   []string
	database string
	params   url.Values
}

// parseJDBC takes an address apart. It never fails: what is not there stays
// empty.
func parseJDBC(raw string) jdbcURL {
	rest, ok := strings.CutPrefix(strings.TrimSpace(raw), "jdbc:")
	if !ok {
		return jdbcURL{}
	}
	scheme, rest, _ := strings.Cut(rest, ":")
	u := jdbcURL{scheme: strings.ToLower(scheme)}
	rest, query, _ := strings.Cut(rest, "?")
	u.params, _ = url.ParseQuery(query) // the pairs that are well-formed
	// SQL Server has its parameters behind semicolons.
	rest, properties, _ := strings.Cut(rest, ";")
	for pair := range strings.SplitSeq(properties, ";") {
		if k, v, ok := strings.Cut(pair, "="); ok {
			u.params.Set(k, v)
		}
	}
	// Oracle's driver has a type: thin:@//host:port/service.
	if _, after, ok := strings.Cut(rest, ":@"); ok && u.scheme == "oracle" {
		rest = after
	}
	hosts := ""
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		hosts, rest, _ = strings.Cut(after, "/")
	}
	u.database = unescape(strings.TrimPrefix(rest, "/"))
	if name := u.params.Get("databaseName"); name != "" {
		u.database = name
		u.params.Del("databaseName")
	}
	list := strings.Split(hosts, ",")
	u.host, u.port = hostPort(list[0])
	u.others = list[1:]
	return u
}

func unescape(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

func hostPort(s string) (host, port string) {
	if host, port, err := net.SplitHostPort(s); err == nil {
		return host, port
	}
	return strings.Trim(s, "[]"), ""
}
