package mysql

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bkp/providers"
)

// account is the one that bkp logs in as, with all that decides what it may
// restore: what a drill imitates.
type account struct {
	// Name is what CURRENT_USER() returns, Login that of the configuration.
	Name  string `json:"name"`
	Login string `json:"login,omitempty"`
	// Grants are on every database or on the whole of this one.
	Grants []grant `json:"grants"`
	// Definers are those accounts of views and the like that exist; nil where the
	// account may not see who exists.
	Definers []string `json:"definers"`
	// Server are settings of the server, by name.
	Server map[string]string `json:"server"`
}

// grant is a GRANT statement without its account, whose password it may hold.
type grant struct {
	Privileges string `json:"privileges"`
	On         string `json:"on"`
	Option     bool   `json:"grant_option,omitempty"`
}

// Settings of a server that decide what an account may create, and how.
const (
	settingBinlog = "log_bin"
	settingCase   = "lower_case_table_names"
)

// serverSettingsQuery gives those that there are.
const serverSettingsQuery = `SHOW GLOBAL VARIABLES WHERE Variable_name IN
	('log_bin', 'lower_case_table_names', 'log_bin_trust_function_creators', 'sql_mode', 'innodb_strict_mode')`

// readAccount reads the rights of the session's account, given the other facts.
func (s *session) readAccount(ctx context.Context, database string, f facts) (account, error) {
	var a account
	names, err := s.names(ctx, `SELECT CURRENT_USER()`)
	if err != nil {
		return a, fmt.Errorf("name of the account: %w", err)
	}
	a.Name = names[0]
	lines, err := s.showGrants(ctx, f.version)
	if err != nil {
		return a, fmt.Errorf("privileges of the account: %w", err)
	}
	for _, line := range lines {
		if _, on := parseGrant(line); on == everyDatabase || on != "" && matches(on, database) {
			a.Grants = append(a.Grants, withoutAccount(line))
		}
	}
	if known, err := s.names(ctx, `SELECT CONCAT(user, '@', host) FROM mysql.user`); err == nil { // few accounts may read them
		a.Definers = []string{}
		for _, definer := range f.definers {
			if slices.Contains(known, definer) && !slices.Contains(a.Definers, definer) {
				a.Definers = append(a.Definers, definer)
			}
		}
	}
	a.Server, err = s.serverSettings(ctx)
	return a, err
}

func (s *session) serverSettings(ctx context.Context) (map[string]string, error) {
	rows, err := s.conn.QueryContext(ctx, serverSettingsQuery)
	if err != nil {
		return nil, fmt.Errorf("settings of the server: %w", err)
	}
	defer func() { _ = rows.Close() }()
	out := map[string]string{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		out[name] = value
	}
	return out, rows.Err()
}

// grantText takes a line of SHOW GRANTS apart that is for whole databases.
var grantText = regexp.MustCompile("^GRANT (.+?) ON (\\*\\.\\*|`(?:[^`]|``)*`\\.\\*) TO (.*)$")

// withoutAccount is a line of SHOW GRANTS that parseGrant finds a database in.
func withoutAccount(line string) grant {
	m := grantText.FindStringSubmatch(line)
	if m == nil {
		return grant{}
	}
	return grant{Privileges: m[1], On: m[2], Option: strings.HasSuffix(m[3], "GRANT OPTION") || strings.Contains(m[3], " WITH GRANT OPTION ")}
}

// statement grants g to an account.
func (g grant) statement(account string) string {
	text := "GRANT " + g.Privileges + " ON " + g.On + " TO " + quoteAccount(account)
	if g.Option {
		text += " WITH GRANT OPTION"
	}
	return text
}

// recordedAccount is that of an artifact; known is false for one of an earlier
// version of bkp.
func recordedAccount(a providers.Artifact) (acc account, known bool) {
	err := json.Unmarshal([]byte(a.Facts[factAccount]), &acc)
	return acc, err == nil && acc.Name != ""
}

// options are those with which a scratch server for the database starts. What the
// server would log of it for replicas, nobody will read.
func (a account) options(database string, of providers.Artifact) []string {
	packet, err := strconv.ParseInt(of.Facts[factPacket], 10, 64)
	if err != nil {
		packet = scratchPacket // not recorded
	}
	out := []string{"--max-allowed-packet=" + strconv.FormatInt(packet, 10)}
	if a.Server[settingBinlog] == "ON" {
		out = append(out, "--log-bin=binlog", "--binlog-ignore-db="+database)
	}
	if value := a.Server[settingCase]; value == "0" || value == "1" {
		out = append(out, "--lower-case-table-names="+value)
	}
	return out
}
