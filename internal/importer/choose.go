package importer

import "bkp/providers"

// choose finds the strategy that the script names.
func (c *converter) choose(p part) (strategy, variable) {
	none := strategy{script: "none", name: "none"}
	v, set := c.first(p.choice)
	if c.mesh && (p.kind == providers.Databases.Name() || p.kind == kindElasticsearch) {
		for _, n := range p.choice {
			if v, ok := c.e.vars[n]; ok {
				c.account(v, Dropped, "", "the scripts ignore it for a Mesh node")
			}
		}
		if p.kind == kindElasticsearch {
			return strategy{}, variable{}
		}
		return none, variable{}
	}
	c.others(p.choice, v)
	switch {
	case set && !v.known():
		c.account(v, Computed, "", v.why)
		c.gap(p.kind, "%s decides about the %s, and %s. Declare the %s by hand.", v.name, p.kind, v.why, p.kind)
		return none, v
	case v.text == "" && p.kind == kindElasticsearch:
		if set {
			c.account(v, Dropped, "", "it is empty: Bitbucket rebuilds the search index")
		}
		return strategy{}, v
	case !set && c.firstStash(p):
		return c.theOnlyOne(p), v
	case !set && p.kind != providers.Archives.Name():
		c.entries = append(c.entries, Entry{Name: p.choice[0], Outcome: Missing, To: p.kind + ".none." + p.block, Reason: "the file does not set it"})
		c.gap(p.kind, "The script did not choose a strategy for the %s, so it is not backed up. Declare it.", p.kind)
		return none, v
	}
	if v.env != "" {
		c.warn(p.kind+"_strategy", "The script took %s from its environment; its default, %s, was imported. Check that the environment did not name another, then remove this check.", v.name, v.text)
	}
	if now, old := oldNames[v.text]; old {
		v.text = now
	}
	for _, s := range p.strategies {
		if s.script == v.text && (s.with == "" || c.text(s.with) != "") {
			return s, v
		}
	}
	return strategy{script: v.text, name: v.text}, v
}

// oldNames are those that strategies had in earlier releases of the scripts.
var oldNames = map[string]string{
	"ebs-home": "amazon-ebs", "rds": "amazon-rds", "ebs-collocated": "postgresql-fslevel", "tar-gpg": "gpg-zip",
}

// firstStash reports whether the script is for the first release of the scripts, which
// chose nothing: rsync, PostgreSQL and tar were all there was.
func (c *converter) firstStash(p part) bool {
	for _, p := range parts() {
		if _, set := c.first(p.choice); set {
			return false
		}
	}
	uses := map[string][]string{
		providers.Homes.Name():     {"BITBUCKET_HOME", "STASH_HOME"},
		providers.Databases.Name(): {"BITBUCKET_DB", "STASH_DB", "POSTGRES_HOST"},
		providers.Archives.Name():  {"BITBUCKET_BACKUP_ARCHIVE_ROOT", "STASH_BACKUP_ARCHIVE_ROOT"},
	}[p.kind]
	_, set := c.first(uses)
	return set
}

// theOnlyOne is the strategy of the first release, which comes first in its list.
func (c *converter) theOnlyOne(p part) strategy {
	s := p.strategies[0]
	to := p.kind + "." + s.name + "." + p.block
	c.entries = append(c.entries, Entry{Name: p.choice[0], Outcome: Missing, To: to, Reason: "the first scripts chose nothing, and " + s.script + " was all there was: it was taken"})
	return s
}
