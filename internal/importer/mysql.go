package importer

import (
	"cmp"
	"slices"
	"strings"
)

// mysqlVariable has options for mysqldump.
const mysqlVariable = "MYSQL_BACKUP_OPTIONS"

// What bkp takes from the options stands in variables of these names.
const (
	optionPort   = mysqlVariable + " --port"
	optionSocket = mysqlVariable + " --socket"
	optionMode   = mysqlVariable + " --ssl-mode"
	optionCA     = mysqlVariable + " --ssl-ca"
	optionCert   = mysqlVariable + " --ssl-cert"
	optionKey    = mysqlVariable + " --ssl-key"
)

// tlsModes are those of mysqldump in the words of bkp.
var tlsModes = map[string]string{
	"DISABLED": "disable", "PREFERRED": "prefer", "REQUIRED": "require", "VERIFY_CA": "verify-ca", "VERIFY_IDENTITY": "verify-full",
}

// ownOptions are what bkp does by itself.
var ownOptions = []string{"--single-transaction", "--quick", "--opt", "-q", "--routines", "--triggers", "--events", "-R", "-E", "--hex-blob"}

// mysqlOptions makes variables of the options for mysqldump, if the database is
// MySQL, and accounts for them.
func (c *converter) mysqlOptions() {
	v, set := c.e.vars[mysqlVariable]
	if !set || c.text("BACKUP_DATABASE_TYPE") != "mysql" || !v.known() {
		return
	}
	words := v.list
	if !v.isList {
		words = strings.Fields(v.text)
	}
	var taken, left []string
	single := false
	var tls tlsOptions
	for len(words) > 0 {
		var name, value string
		name, value, words = nextOption(words)
		single = single || name == "--single-transaction"
		about := tls.note(name, value)
		switch to := c.mysqlOption(v, name, value); {
		case about:
		case to != "":
			taken = append(taken, to)
		case !slices.Contains(ownOptions, name):
			left = append(left, name)
		}
	}
	if mode := cmp.Or(tls.explicit, tls.mode); mode != "" {
		c.e.vars[optionMode] = variable{name: v.name, text: mode, source: v.source, line: v.line}
		taken = append(taken, "tls.mode")
	}
	c.accountOptions(v, single, taken, left)
}

// accountOptions reports what became of the options.
func (c *converter) accountOptions(v variable, single bool, taken, left []string) {
	var reasons []string
	outcome := Moved
	if len(left) > 0 {
		outcome = Unknown
		reasons = append(reasons, "not imported: "+c.mask.mask(strings.Join(left, ", ")))
	}
	if !single {
		if outcome == Moved {
			outcome = Broken
		}
		reasons = append(reasons, "the scripts dumped without --single-transaction, so the dump was not one point in time; bkp dumps in one transaction")
	} else {
		reasons = append(reasons, "bkp dumps in one transaction by itself")
	}
	to := "database.mysql.main"
	if len(taken) > 0 {
		to += "." + strings.Join(taken, ", ")
	}
	c.account(v, outcome, to, strings.Join(reasons, "; "))
}

// nextOption takes an option with its value off the words.
func nextOption(words []string) (name, value string, rest []string) {
	name, rest = words[0], words[1:]
	if n, v, ok := strings.Cut(name, "="); ok {
		return n, v, rest
	}
	for short, long := range map[string]string{"-P": "--port", "-S": "--socket"} {
		if v, ok := strings.CutPrefix(name, short); ok && !strings.HasPrefix(name, "--") {
			if name = long; v != "" {
				return name, v, rest
			}
		}
	}
	if len(name) > 2 && name[0] == '-' && name[1] != '-' {
		return name[:2], name[2:], rest // -pSECRET: the value is not for the report
	}
	takes := []string{"--port", "--socket", "--ssl-mode", "--ssl-ca", "--ssl-cert", "--ssl-key"}
	if slices.Contains(takes, name) && len(rest) > 0 {
		return name, rest[0], rest[1:]
	}
	return name, "", rest
}

// mysqlOption makes a variable of an option, and returns the attribute that it
// becomes, "" for none.
func (c *converter) mysqlOption(v variable, name, value string) string {
	set := func(key, attribute, text string) string {
		c.e.vars[key] = variable{name: v.name, text: text, source: v.source, line: v.line}
		return attribute
	}
	switch name {
	case "--port":
		return set(optionPort, "port", value)
	case "--socket":
		return set(optionSocket, "socket", value)
	case "--ssl-ca":
		return set(optionCA, "tls.ca_file", value)
	case "--ssl-cert":
		return set(optionCert, "tls.cert_file", value)
	case "--ssl-key":
		return set(optionKey, "tls.key_file", value)
	}
	return ""
}

// tlsOptions are what the options say of encryption. Whatever their order, none makes
// another one weaker.
type tlsOptions struct{ mode, explicit string }

// note takes an option, and reports whether it was about encryption.
func (o *tlsOptions) note(name, value string) bool {
	off := slices.Contains([]string{"0", "FALSE", "OFF"}, strings.ToUpper(value))
	switch {
	case name == "--ssl-mode":
		mode, known := tlsModes[strings.ToUpper(value)]
		o.explicit = mode
		return known
	case name == "--skip-ssl" || name == "--ssl" && off:
		o.atLeast("disable")
	case name == "--ssl-verify-server-cert" && off: // as without it
	case name == "--ssl-verify-server-cert":
		o.atLeast("verify-full")
	case name == "--ssl":
		o.atLeast("require")
	case name == "--ssl-ca": // the client then verifies who signed the certificate
		o.atLeast("verify-ca")
		return false
	default:
		return false
	}
	return true
}

// atLeast keeps the stronger mode.
func (o *tlsOptions) atLeast(mode string) {
	order := []string{"", "disable", "prefer", "require", "verify-ca", "verify-full"}
	if slices.Index(order, mode) > slices.Index(order, o.mode) {
		o.mode = mode
	}
}
