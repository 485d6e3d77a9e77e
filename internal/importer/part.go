package importer

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"bkp/internal/hcldoc"
	"bkp/providers"
)

// part writes one kind of block and returns the address that the instance
// refers to; "" if it refers to none.
func (c *converter) part(p part) (*hcldoc.Doc, string, error) {
	d := &hcldoc.Doc{}
	chosen, choice := c.choose(p)
	if p.kind == kindElasticsearch && chosen.script == "" {
		return d, "", nil
	}
	archive := c.text(archiveChoice)
	chosen.fields = slices.DeleteFunc(slices.Clone(chosen.fields), func(f field) bool { return f.archive != "" && f.archive != archive })
	def, exists := c.registry.Lookup(p.kind, chosen.name)
	w := blockWriter{c: c, part: p, strategy: chosen, live: exists}
	if w.live {
		to := p.kind + "." + chosen.name + "." + p.block
		c.account(choice, Kept, to, "")
		w.known = def.Schema().Names()
		stays := slices.Contains(def.Yields(), providers.Native)
		c.stays = c.stays || stays
		c.onlyStays = c.onlyStays || stays && !slices.Contains(def.Yields(), providers.Staged)
		c.copied = c.copied || !stays && !def.Empty && def.Inside == nil && p.kind != providers.Archives.Name()
		w.write(d)
		d.Add(&c.sealer)
		c.sealer = hcldoc.Doc{}
		d.Blank()
		return d, to, nil
	}
	if err := c.unsupported(d, &w, choice); err != nil {
		return nil, "", err
	}
	d.Blank()
	if _, none := c.registry.Lookup(p.kind, "none"); !none {
		return d, "", nil
	}
	return d, p.kind + ".none." + p.block, nil
}

// unsupported writes a block as a comment, and none in its stead.
func (c *converter) unsupported(d *hcldoc.Doc, w *blockWriter, choice variable) error {
	name := fmt.Sprintf("%s %q", w.part.kind, w.strategy.name)
	gapName, what := w.part.kind, "with "+name
	c.lost = append(c.lost, name)
	reason := "this version of bkp does not have " + name
	c.account(choice, Unsupported, "", reason)
	say := c.gap
	if w.part.kind == kindElasticsearch {
		say = c.warn // Bitbucket makes the index again
	}
	say(gapName, "The script backed up %s, which this version of bkp does not have: it is NOT backed up. Keep using the scripts for it, or choose another strategy%s.", what, c.byCommand(w.part))
	d.Prose("This version of bkp does not have " + name + ", so this part is NOT backed up. Its block will probably look like this:")
	err := d.Disabled(func(d *hcldoc.Doc) {
		w.write(d)
	})
	if err != nil {
		return err
	}
	if _, none := c.registry.Lookup(w.part.kind, "none"); none {
		d.Open(w.part.kind, "none", w.part.block)
		d.Close()
	}
	return nil
}

// byCommand points to the strategy that runs commands of the operator's own, if the
// kind has it.
func (c *converter) byCommand(p part) string {
	const typ = "command"
	if _, ok := c.registry.Lookup(p.kind, typ); !ok {
		return ""
	}
	return fmt.Sprintf("; or let commands of your own do it, with %s %q: see docs/guides/command.md", p.kind, typ)
}

// blockWriter writes the block of one strategy.
type blockWriter struct {
	c        *converter
	part     part
	strategy strategy
	// live blocks count; the others are comments.
	live bool
	// known are the attributes of a live block, tls.mode for one of a nested block.
	known []string
}

func (w *blockWriter) address() string {
	return w.part.kind + "." + w.strategy.name + "." + w.part.block
}

func (w *blockWriter) write(d *hcldoc.Doc) {
	d.Open(w.part.kind, w.strategy.name, w.part.block)
	nested := map[string]*hcldoc.Doc{}
	for _, f := range w.strategy.fields {
		to := d
		if block := f.block(); block != "" {
			if nested[block] == nil {
				nested[block] = &hcldoc.Doc{}
			}
			to = nested[block]
		}
		w.field(to, f)
	}
	for _, block := range slices.Sorted(maps.Keys(nested)) {
		d.Nested(block, nested[block])
	}
	d.Close()
}

func (w *blockWriter) has(attribute string) bool {
	return !w.live || slices.Contains(w.known, attribute)
}

// outcome is that of an attribute, which means nothing yet if the strategy
// does not exist.
func (w *blockWriter) outcome(o Outcome, reason string) (Outcome, string) {
	if w.live {
		return o, reason
	}
	return Unsupported, "its strategy is not supported yet: see the comment in the configuration"
}

func (w *blockWriter) field(d *hcldoc.Doc, f field) {
	c := w.c
	if f.form == asSealed {
		w.sealed(d, f)
		return
	}
	to := w.address() + "." + f.attribute
	v, set := c.first(f.variables)
	c.others(f.variables, v)
	if set && !w.has(f.attribute) {
		c.account(v, Unsupported, "", "this version of bkp has no attribute "+to)
		return
	}
	if !set {
		w.missing(d, f, f.variables[0]+" is not set")
		return
	}
	if v.env != "" && w.live && fitsEnvironment(f.form) {
		w.fromEnvironment(d, f, v)
		return
	}
	if !v.known() && f.form != asSecret {
		c.account(v, Computed, to, v.why)
		if f.form == asOwner {
			c.ownerUnknown(v)
		}
		w.computed(d, f, v)
		return
	}
	expr, why := c.expression(v, f)
	if f.form == asSecret && expr != "" {
		w.secret(d, f, v)
		return
	}
	switch {
	case why != "":
		c.account(v, Unknown, to, why)
		w.missing(d, f, v.name+": "+why)
	case expr == "" && f.form == asStores && len(v.list) > 0:
		c.account(v, Moved, w.address(), "its volumes are those of the home, which bkp finds from the mounts")
	case expr == "":
		c.account(v, Dropped, "", "it is empty")
		w.missing(d, f, v.name+" is empty")
	default:
		o, reason := Kept, ""
		if f.moved != "" {
			o, reason = Moved, f.moved
		}
		o, reason = w.outcome(o, reason)
		c.account(v, o, to, reason)
		d.Attr(f.name(), expr, v.name)
		if f.form == asServerPath && strings.Contains(v.text, `\`) {
			here := field{attribute: "path", variables: f.variables, fallback: `"/mnt/database-server"`}
			w.missing(d, here, v.name+" is a folder of Windows, which has to be mounted on this machine")
		}
	}
}

// fitsEnvironment reports whether an attribute of a form can be what an environment
// variable holds, as it is.
func fitsEnvironment(f form) bool {
	return f == asText || f == asPath || f == asNumber || f == asSecret
}

// fromEnvironment reads the attribute where the script did.
func (w *blockWriter) fromEnvironment(d *hcldoc.Doc, f field, v variable) {
	c, to := w.c, w.address()+"."+f.attribute
	if f.form == asSecret {
		c.account(v, Secret, to, fromOutside(variable{env: v.env, why: outside}))
		d.Attr(f.name(), c.environment(variable{env: v.env, why: outside}, ""), v.name)
		return
	}
	text := v.text
	if f.form == asPath && len(text) > 1 {
		text = strings.TrimRight(text, "/")
	}
	c.account(v, Moved, to, fromOutside(v))
	d.Attr(f.name(), c.environment(v, text), v.name)
}

// secret refers to an environment variable.
func (w *blockWriter) secret(d *hcldoc.Doc, f field, v variable) {
	env := databasePassword
	if w.part.kind == kindElasticsearch {
		env = searchPassword
	}
	reason := "a secret is not copied; its strategy is not supported yet"
	if w.live {
		w.c.needs(env)
		reason = "a secret is not copied: set the environment variable " + env
	}
	w.c.account(v, Secret, w.address()+"."+f.attribute, reason)
	d.Attr(f.name(), "env("+hcldoc.Quote(env)+")", v.name)
}

// computed keeps the source of a value for the person who fills it in.
func (w *blockWriter) computed(d *hcldoc.Doc, f field, v variable) {
	d.Comment(f.name() + ": " + v.why + ":\n  " + w.c.mask.mask(v.source))
	w.missing(d, f, v.name+": "+v.why)
}

// missing puts something in the place of an attribute that must be there.
func (w *blockWriter) missing(d *hcldoc.Doc, f field, why string) {
	if f.fallback == "" {
		return
	}
	if _, set := w.c.first(f.beside); !set && len(f.beside) > 0 {
		return
	}
	d.Attr(f.name(), f.fallback, "CHANGE THIS: "+why)
	if !w.live {
		return
	}
	to := w.address() + "." + f.attribute
	w.c.entries = append(w.c.entries, Entry{Name: f.variables[0], Outcome: Missing, To: to, Reason: why + "; a common value was written instead"})
	w.c.gap(w.part.kind+"_"+f.attribute, "%s could not be imported (%s). Check the value, then remove this check.", to, why)
}

// expression writes a value in HCL; "" if it has none.
func (c *converter) expression(v variable, f field) (expr, why string) {
	switch f.form {
	case asTexts, asNumbers:
		return listExpression(v, f.form)
	case asStores:
		return c.stores(v)
	case asTags:
		return tags(v)
	case asSecret:
		if v.known() && v.text == "" {
			return "", ""
		}
		return v.name, ""
	default:
		return c.single(v, f.form)
	}
}

// single writes one value.
func (c *converter) single(v variable, form form) (expr, why string) {
	text := v.text
	switch {
	case v.isList:
		return "", "it is an array, where one value is expected"
	case text == "":
		return "", ""
	}
	switch form {
	case asPath:
		if text = strings.TrimRight(text, "/"); text == "" {
			text = "/"
		}
	case asNumber:
		n, err := strconv.Atoi(text)
		if err != nil {
			return "", "it is not a number"
		}
		return strconv.Itoa(n), ""
	case asBool:
		if text == "true" || text == "false" {
			return text, ""
		}
	case asFreeze:
		text = "sync"
		if v.text == "true" {
			text = "fsfreeze"
		}
	case asVolumeType:
		if text == "io1" || text == "io2" {
			return "", "volumes of this type need their IOPS, and bkp makes volumes to be read alone: gp3 does"
		}
	case asOwner:
		text = c.owner(v)
	case asHTTP:
		scheme := "http://"
		if strings.HasSuffix(text, ":443") {
			scheme = "https://"
		}
		text = scheme + text
	case asHTTPS:
		text = "https://" + strings.TrimSuffix(text, ":443")
	case asSnapshot:
		text = "snapshot"
	case asTrue:
		return "true", ""
	case asJobs:
		return jobs(text)
	default: // a text as it is
	}
	return faithful(text)
}

// stores are the folders of a variable; of MOUNT:DEVICE the mount points, without that
// of the home.
func (c *converter) stores(v variable) (expr, why string) {
	list := v.list
	if !v.isList {
		list = strings.Fields(v.text)
	}
	of := variable{name: v.name, isList: true}
	for _, text := range list {
		mount, _, _ := strings.Cut(text, ":")
		mount = strings.TrimRight(mount, "/")
		home := strings.TrimRight(cmp.Or(c.text("HOME_DIRECTORY_MOUNT_POINT"), c.text("BITBUCKET_HOME"), c.text("STASH_HOME")), "/")
		// A volume that is mounted inside the home belongs to it.
		inside := home != "" && strings.HasPrefix(mount, home+"/")
		if mount != "" && mount != home && !strings.HasPrefix(home, mount+"/") && !inside {
			of.list = append(of.list, mount)
		}
	}
	return listExpression(of, asTexts)
}

func faithful(text string) (expr, why string) {
	if !hcldoc.Faithful(text) {
		return "", "it holds characters that the configuration cannot hold"
	}
	return hcldoc.Quote(text), ""
}

func listExpression(v variable, f form) (expr, why string) {
	list := v.list
	if !v.isList {
		list = strings.Fields(v.text)
	}
	if len(list) == 0 {
		return "", ""
	}
	var out []string
	for _, text := range list {
		if f == asNumbers {
			n, err := strconv.Atoi(text)
			if err != nil {
				return "", "an element is not a number"
			}
			out = append(out, strconv.Itoa(n))
			continue
		}
		if len(text) > 1 {
			text = strings.TrimRight(text, "/")
		}
		expr, why := faithful(text)
		if why != "" {
			return "", why
		}
		out = append(out, expr)
	}
	return "[" + strings.Join(out, ", ") + "]", ""
}
