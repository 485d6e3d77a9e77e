package importer

import (
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
	for len(words) > 0 {
		var name, value string
		name, value, words = nextOption(words)
		single = single || name == "--single-transaction"
		switch to := c.mysqlOption(v, name, value); {
		case to != "":
			taken = append(taken, to)
		case !slices.Contains(ownOptions, name):
			left = append(left, name)
		}
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
	case "--ssl":
		return set(optionMode, "tls.mode", "require")
	case "--ssl-verify-server-cert":
		return set(optionMode, "tls.mode", "verify-full")
	case "--skip-ssl":
		return set(optionMode, "tls.mode", "disable")
	case "--ssl-mode":
		if mode, ok := tlsModes[strings.ToUpper(value)]; ok {
			return set(optionMode, "tls.mode", mode)
		}
	}
	return ""
}
