package importer

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"bkp/internal/hcldoc"
	"bkp/providers"
)

// instance writes the block of the instance.
func (c *converter) instance(addresses map[string]string, retention bool) *hcldoc.Doc {
	d := &hcldoc.Doc{}
	name := c.instanceName()
	d.Open("instance", name)
	c.instanceURL(d, name)
	c.credentials(d, name)
	var tls hcldoc.Doc
	c.curlOptions(&tls, name)
	d.Blank()
	d.Attr("home", addresses[providers.Homes.Name()], "")
	d.Attr("database", addresses[providers.Databases.Name()], "")
	if node := addresses[providers.MeshNodes.Name()]; node != "" {
		d.Attr("mesh_nodes", "["+node+"]", "name all Mesh nodes here, not this one alone")
	}
	if search := addresses[kindElasticsearch]; search != "" {
		d.Attr(kindElasticsearch, search, "")
	}
	d.Attr("archives", "["+c.archivesOf(addresses)+"]", "")
	if retention {
		d.Attr("retention", "retention.standard", "")
	}
	c.zeroDowntime(d)
	d.Nested("tls", &tls)
	d.Close()
	d.Blank()
	c.instanceType()
	return d
}

// keptInPlace is the archive of what stays where it was captured.
const keptInPlace = "snapshots"

// archivesOf are the archives that the instance refers to.
func (c *converter) archivesOf(addresses map[string]string) string {
	out := addresses[providers.Archives.Name()]
	none := strings.HasPrefix(out, providers.Archives.Name()+".none.")
	if c.stays && none && !c.copied {
		out = "" // nobody reads what is captured
	}
	if c.keepsInPlace(addresses) {
		out = strings.TrimPrefix(out+", ", ", ") + providers.Archives.Name() + "." + keptInPlace + "." + keptInPlace
	}
	return out
}

// keepsInPlace reports whether something stays where it was captured: what no archive
// copies does, such as the search index, and what can and has no archive in the scripts, or
// one that copies it elsewhere.
func (c *converter) keepsInPlace(addresses map[string]string) bool {
	archive := addresses[providers.Archives.Name()]
	if c.onlyStays {
		return true
	}
	return c.stays && (strings.HasPrefix(archive, providers.Archives.Name()+".none.") || strings.HasPrefix(archive, providers.Archives.Name()+".aws_snapshots."))
}

var notInName = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// nameOfInstance is a name that references and files can have.
func (c *converter) nameOfInstance() string {
	v, _ := c.first([]string{"INSTANCE_NAME"})
	name := notInName.ReplaceAllString(v.text, "_")
	if name == "" || strings.IndexByte("_-0123456789", name[0]) >= 0 {
		name = strings.TrimRight("bitbucket-"+name, "-")
	}
	return name[:min(len(name), 64)]
}

// instanceName is nameOfInstance, and accounts for the variable.
func (c *converter) instanceName() string {
	v, set := c.first([]string{"INSTANCE_NAME"})
	name := c.nameOfInstance()
	switch {
	case !set:
	case !v.known():
		c.account(v, Computed, "", v.why)
	case v.text == name:
		c.account(v, Kept, "instance."+name, "")
	default:
		c.account(v, Moved, "instance."+name, "a name has letters, digits, underscores and dashes only")
	}
	return name
}

func (c *converter) instanceType() {
	v, set := c.first([]string{"INSTANCE_TYPE"})
	switch {
	case !set:
	case !v.known():
		c.account(v, Computed, "", v.why)
	case c.mesh:
		c.account(v, Moved, providers.MeshNodes.Name(), "all Mesh nodes belong in one instance, inside one lock. The scripts needed a run and a lock for every node, so that replicas could disagree after a restore")
	default:
		c.account(v, Dropped, "", "every instance is a Bitbucket Data Center")
	}
}

func (c *converter) instanceURL(d *hcldoc.Doc, instance string) {
	names := []string{"BITBUCKET_URL", "STASH_URL"}
	v, set := c.first(names)
	c.others(names, v)
	to := "instance." + instance + ".url"
	text, reason := v.text, ""
	if u, err := url.Parse(text); err == nil && u.User != nil {
		u.User = nil
		text, reason = u.String(), "the credentials in it were not copied"
	}
	expr, why := faithful(strings.TrimRight(text, "/"))
	switch {
	case v.env != "":
		c.account(v, Moved, to, fromOutside(v))
		d.Attr("url", c.environment(v, strings.TrimRight(text, "/")), v.name)
		return
	case set && !v.known():
		why = v.why
		c.account(v, Computed, to, why)
		d.Comment("url: " + why + ":\n  " + c.mask.mask(v.source))
	case !set || text == "":
		why = names[0] + " is not set"
		c.account(v, Dropped, "", "it is empty")
	case why != "":
		c.account(v, Unknown, to, why)
	default:
		o := Kept
		if reason != "" {
			o = Moved
		}
		c.account(v, o, to, reason)
		d.Attr("url", expr, v.name)
		return
	}
	d.Attr("url", `"https://bitbucket.example.com"`, "CHANGE THIS: "+why)
	c.entries = append(c.entries, Entry{Name: names[0], Outcome: Missing, To: to, Reason: why + "; an example was written instead"})
	c.gap("url", "%s could not be imported (%s). Write the base URL, then remove this check.", to, why)
}

func (c *converter) credentials(d *hcldoc.Doc, instance string) {
	names := []string{"BITBUCKET_BACKUP_USER", "STASH_BACKUP_USER"}
	v, set := c.first(names)
	c.others(names, v)
	to := "instance." + instance + ".username"
	expr, why := faithful(v.text)
	switch {
	case v.env != "":
		c.account(v, Moved, to, fromOutside(v))
		d.Attr("username", c.environment(v, v.text), v.name)
	case set && v.known() && v.text != "" && why == "":
		c.account(v, Kept, to, "")
		d.Attr("username", expr, v.name)
	default:
		switch {
		case set && !v.known():
			c.account(v, Computed, to, v.why)
		case set && why != "":
			c.account(v, Unknown, to, why)
		default:
			c.account(v, Dropped, "", "it is empty")
		}
		d.Attr("username", `"backup"`, "CHANGE THIS: a system administrator of Bitbucket")
		c.entries = append(c.entries, Entry{Name: names[0], Outcome: Missing, To: to, Reason: "bkp needs a system administrator; an example was written instead"})
		c.gap("username", "%s could not be imported. Write the name of a system administrator, then remove this check.", to)
	}
	note, env := "", instancePassword
	for _, n := range []string{"BITBUCKET_BACKUP_PASS", "STASH_BACKUP_PASS"} {
		if v, ok := c.e.vars[n]; ok {
			note = n
			if v.env != "" {
				env = v.env
				c.account(v, Secret, "instance."+instance+".password", fromOutside(variable{env: env, why: outside}))
				continue
			}
			c.account(v, Secret, "instance."+instance+".password", "a secret is not copied: set the environment variable "+env)
		}
	}
	d.Attr("password", c.needs(env), note)
}

var (
	caFile   = regexp.MustCompile(`--cacert[ =](\S+)`)
	insecure = regexp.MustCompile(`(^|\s)(-[a-zA-Z]*k|--insecure)(\s|$)`)
)

func (c *converter) curlOptions(d *hcldoc.Doc, instance string) {
	v, set := c.first([]string{"CURL_OPTIONS"})
	if !set {
		return
	}
	if m := caFile.FindStringSubmatch(v.text); m != nil {
		if expr, why := faithful(m[1]); why == "" {
			c.account(v, Moved, "instance."+instance+".tls.ca_file", "bkp speaks HTTP itself; only the certificate was imported")
			d.Attr("ca_file", expr, v.name)
			return
		}
	}
	if insecure.MatchString(v.text) {
		c.account(v, Broken, "", "it turned off the check of the server's certificate, so that anybody could get the password; set ca_file of the tls block if the certificate is your own")
		return
	}
	c.account(v, Dropped, "", "bkp speaks HTTP itself")
}

// settings writes the bkp block, if there is anything to set.
func (c *converter) settings() *hcldoc.Doc {
	d := &hcldoc.Doc{}
	names := []string{"BITBUCKET_BACKUP_ROOT", "STASH_BACKUP_ROOT"}
	v, set := c.first(names)
	c.others(names, v)
	if !set {
		return d
	}
	expr, why := faithful(strings.TrimRight(v.text, "/") + "/bkp")
	if v.env != "" {
		root := c.environment(v, strings.TrimRight(v.text, "/"))
		c.account(v, Moved, "bkp.state_dir", fromOutside(v)+"; bkp keeps its working copy, journal and catalog in a subfolder")
		d.Open("bkp")
		d.Attr("state_dir", `"${`+root+`}/bkp"`, v.name)
		d.Close()
		d.Blank()
		return d
	}
	switch {
	case !v.known():
		c.account(v, Computed, "bkp.state_dir", v.why)
	case v.text == "":
		c.account(v, Dropped, "", "it is empty")
	case why != "":
		c.account(v, Unknown, "bkp.state_dir", why)
	default:
		c.account(v, Moved, "bkp.state_dir", "bkp keeps its working copy, journal and catalog in a subfolder; the old copies beside it can be removed")
		d.Open("bkp")
		d.Attr("state_dir", expr, v.name)
		d.Close()
		d.Blank()
	}
	return d
}

// retention reports whether there is any.
func (c *converter) retention() (*hcldoc.Doc, bool) {
	d := &hcldoc.Doc{}
	v, set := c.first([]string{"KEEP_BACKUPS"})
	if !set {
		return d, false
	}
	n, err := strconv.Atoi(v.text)
	switch {
	case !v.known():
		c.account(v, Computed, "retention.standard.keep_last", v.why)
	case v.text == "" || err == nil && n <= 0:
		c.account(v, Dropped, "", "it is 0, so every backup is kept. Add a retention block before the disk is full")
	case err != nil:
		c.account(v, Unknown, "", "it is not a number")
	default:
		c.account(v, Moved, "retention.standard.keep_last", "the scripts removed old snapshots only, never tar or gpg archives; bkp removes old backups of its own in every archive, and leaves those of the scripts alone")
		d.Open("retention", "standard")
		d.Attr("keep_last", strconv.Itoa(n), v.name)
		d.Close()
		d.Blank()
	}
	return d, v.known() && err == nil && n > 0
}

// zeroDowntime writes whether backups are made without a lock.
func (c *converter) zeroDowntime(d *hcldoc.Doc) {
	isOn := false
	for _, s := range []struct{ name, on string }{
		{"BACKUP_ZERO_DOWNTIME", "true"}, {"ZERO_DOWNTIME_BACKUP", "true"}, {"BACKUP_LOCK_BITBUCKET", "false"},
	} {
		v, ok := c.e.vars[s.name]
		switch {
		case !ok:
		case v.known() && v.text != s.on:
			c.account(v, Dropped, "", "users are locked out for the capture, which is what bkp does")
		case !v.known():
			c.account(v, Computed, "zero_downtime", v.why)
		default:
			c.account(v, Moved, "zero_downtime", "bkp plan says which part, if any, is not captured at one instant by itself")
			isOn = true
		}
	}
	if isOn {
		d.Attr("zero_downtime", "true", "")
	}
}

// ownerUnknown accounts for the group beside a user that is not known.
func (c *converter) ownerUnknown(user variable) {
	group, _ := c.first([]string{"BITBUCKET_GID", "STASH_GID"})
	c.account(group, Dropped, "", "it is the second half of owner, and the first, "+user.name+", is not known")
}

// owner joins user and group.
func (c *converter) owner(v variable) string {
	names := []string{"BITBUCKET_GID", "STASH_GID"}
	group, set := c.first(names)
	c.others(names, group)
	if !set {
		return v.text
	}
	if !group.known() || group.text == "" {
		c.account(group, Dropped, "", "it is empty or not known")
		return v.text
	}
	c.account(group, Moved, "", "it is the second half of owner, beside "+v.name)
	return v.text + ":" + group.text
}

var jobsOption = regexp.MustCompile(`^(?:-j ?|--jobs[ =])([1-9][0-9]{0,3})$`)

// jobs reads the option -j of pg_dump.
func jobs(text string) (expr, why string) {
	m := jobsOption.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return "", "it is not -j N"
	}
	return m[1], ""
}
