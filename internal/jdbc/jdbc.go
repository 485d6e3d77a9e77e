package jdbc

import (
	"cmp"
	"net"
	"net/url"
	"strings"
)

// URL is the address of a database as Java writes it:
// jdbc:postgresql://db.example.com:5432/bitbucket?sslmode=require.
type URL struct {
	// Scheme is the engine, such as postgresql, or what follows jdbc: if that is not known.
	Scheme     string
	Host, Port string
	// Others are further hosts of a cluster.
	Others   []string
	Database string
	// Instance is one of SQL Server's that has a name.
	Instance string
	Params   url.Values
}

// Parse takes an address apart. It never fails: what is not there stays
// empty.
func Parse(raw string) URL {
	rest, ok := strings.CutPrefix(strings.TrimSpace(raw), "jdbc:")
	if !ok {
		return URL{}
	}
	scheme, rest, _ := strings.Cut(rest, ":")
	u := URL{Scheme: cmp.Or(EngineOf(raw), strings.ToLower(scheme))}
	// A driver around another one, or a way to choose among hosts.
	if words, after, ok := strings.Cut(rest, "://"); ok && !strings.ContainsAny(words, "/@;?") {
		rest = "//" + after
	}
	rest, query, _ := strings.Cut(rest, "?")
	u.Params, _ = url.ParseQuery(query) // the pairs that are well-formed
	// SQL Server has its parameters behind semicolons.
	rest, properties, _ := strings.Cut(rest, ";")
	for pair := range strings.SplitSeq(properties, ";") {
		if k, v, ok := strings.Cut(pair, "="); ok {
			u.Params.Set(k, v)
		}
	}
	// Oracle's driver has a type: thin:@//host:port/service.
	if _, after, ok := strings.Cut(rest, ":@"); ok && u.Scheme == "oracle" {
		rest = after
	}
	hosts := ""
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		hosts, rest, _ = strings.Cut(after, "/")
	}
	u.Database = unescape(strings.TrimPrefix(rest, "/"))
	if u.Scheme == "sqlserver" {
		hosts, u.Instance, _ = strings.Cut(hosts, `\`)
		u.takeParams()
	}
	list := strings.Split(hosts, ",")
	u.Host, u.Port = hostPort(list[0])
	u.Others = list[1:]
	return u
}

// takeParams reads the parameters of SQL Server that say where a database is. Large and
// small letters are alike in their names.
func (u *URL) takeParams() {
	for name := range u.Params {
		switch strings.ToLower(name) {
		case "databasename", "database":
			u.Database = u.Params.Get(name)
		case "instancename":
			u.Instance = u.Params.Get(name)
		default:
			continue
		}
		u.Params.Del(name)
	}
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
