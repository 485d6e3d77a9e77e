package lang

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"bkp/lang/funcs"
)

// instanceReference is an attribute of an instance that leads to blocks.
type instanceReference struct {
	name, root     string
	many, optional bool
	// help and unset are those of an Attribute.
	help, unset string
	// none tells how to say that there is none.
	none string
}

var instanceReferences = []instanceReference{
	{name: "home", root: "home", help: "what captures the home", none: `for none, declare home "none" "x" {} and write home = home.none.x`},
	{name: "database", root: "database", help: "what captures the database", none: `for none, declare database "none" "x" {} and write database = database.none.x`},
	{name: "archives", root: "archive", many: true, help: "where backups are kept", none: `for none, declare archive "none" "x" {} and write archives = [archive.none.x]`},
	{name: "retention", root: rootRetention, optional: true, help: "which backups are kept", unset: "all of them"},
}

func (l *loader) decodeInstance(i *instance, t *target) {
	var s instanceSettings
	good := l.decodeAttrs(i, "", instanceSchema, &s)
	lock := defaultLock
	good = l.decodeAttrs(i, lockPrefix, lockSchema, &lock) && good
	drill := defaultDrill
	good = l.decodeAttrs(i, drillPrefix, drillSchema, &drill) && good
	if len(l.config.open[i.address]) == 0 {
		good = l.checkInstance(i, s, lock, good) && good
	}
	out := &Instance{
		Address: i.address, Name: i.label(), URL: strings.TrimRight(s.URL, "/"), Username: s.Username,
		MaintenanceURL: strings.TrimRight(s.MaintenanceURL, "/"),
		Password:       s.Password, Token: s.Token, Lock: lock, Drill: drill, Range: i.rng, Attrs: i.ranges(),
	}
	if s.CAFile != "" {
		out.CAFile = absolute(l.config.Dir, s.CAFile)
	}
	for _, r := range instanceReferences {
		targets, ok := l.references(i, r)
		if !ok {
			good = false
			continue
		}
		out.attach(r, targets)
		t.lead(r, targets)
		l.resolveReferences(i.address, r, targets)
	}
	if !good {
		return
	}
	l.config.resolved.setAll(i.address, "", instanceSchema, &s)
	l.config.resolved.setAll(i.address, lockPrefix, lockSchema, &lock)
	l.config.resolved.setAll(i.address, drillPrefix, drillSchema, &drill)
	i.instances = append(i.instances, out)
}

// These begin the names of what nested blocks set.
const (
	lockPrefix  = "lock."
	drillPrefix = "drill."
)

func (t *target) lead(r instanceReference, to []*target) {
	if t.leads == nil {
		t.leads = map[string]leads{}
	}
	t.leads[r.name] = leads{to: to, many: r.many}
}

func (l *loader) resolveReferences(address string, r instanceReference, targets []*target) {
	addresses := []string{}
	for _, t := range targets {
		addresses = append(addresses, t.address)
	}
	switch {
	case r.many:
		l.config.resolved.set(address, r.name, addresses)
	case len(addresses) == 0:
		l.config.resolved.set(address, r.name, nil)
	default:
		l.config.resolved.set(address, r.name, addresses[0])
	}
}

func (i *Instance) attach(r instanceReference, targets []*target) {
	for _, t := range targets {
		switch r.name {
		case "home":
			i.Home = t.component
		case "database":
			i.Database = t.component
		case "archives":
			if t.component != nil {
				i.Archives = append(i.Archives, t.component)
			}
		case "retention":
			i.Retention = t.retention
		}
	}
}

// checkAddress reports an address that cannot be one; an empty one only where
// it is required.
func (l *loader) checkAddress(i *instance, name, value string, required bool) {
	detail, remedy := checkURL(value)
	if detail == "" || value == "" && !required {
		return
	}
	at := i.args[name].expr.Range()
	if strings.Contains(value, "@") {
		at = i.rng // the line of the URL may show a password
	}
	l.report(problemAt(&at, "Invalid URL", detail, remedy))
}

// checkInstance has the rules that go beyond types.
func (l *loader) checkInstance(i *instance, s instanceSettings, lock Lock, decoded bool) bool {
	before := len(l.diags)
	l.checkAddress(i, "url", s.URL, decoded)
	l.checkAddress(i, "maintenance_url", s.MaintenanceURL, false)
	l.checkCredentials(i, s, decoded)
	for name, d := range map[string]bool{"lock.drain_timeout": lock.DrainTimeout == 0, "lock.budget": lock.Budget == 0} {
		if d {
			l.report(problemAt(i.args[name].expr.Range().Ptr(), "Lock window has no time",
				strings.TrimPrefix(name, "lock.")+" is 0.", "Give a time, or leave the attribute out."))
		}
	}
	if decoded && lock.Budget > 0 && lock.DrainTimeout > lock.Budget {
		l.report(problemAt(i.lockRange(), "Drain outlasts the lock window",
			fmt.Sprintf("drain_timeout is %s, but budget, the whole lock window, is %s.", lock.DrainTimeout, lock.Budget),
			"Raise budget, or lower drain_timeout."))
	}
	return len(l.diags) == before
}

// checkCredentials takes what could not be decoded, and was reported, for set.
func (l *loader) checkCredentials(i *instance, s instanceSettings, decoded bool) {
	set := func(name string, isSet bool) bool {
		_, written := i.args[name]
		return isSet || !decoded && (written || i.meant[name])
	}
	username, password, token := set("username", s.Username != ""), set("password", s.Password.IsSet()), set("token", s.Token.IsSet())
	detail := ""
	switch {
	case token && (username || password):
		l.report(problemAt(&i.rng, "Two kinds of credentials", i.address+" has a token besides a username or password.", loginRemedy))
	case !token && !username && !password:
		detail = " does not say as whom bkp logs in."
	case !token && !username:
		detail = " has a password, but no username."
	case !token && !password:
		detail = " has a username, but no password."
	}
	if detail != "" {
		l.report(problemAt(&i.rng, "Missing credentials", i.address+detail, loginRemedy))
	}
}

const loginRemedy = "Set either username and password, or token."

// references evaluates an attribute that leads to blocks.
func (l *loader) references(i *instance, r instanceReference) ([]*target, bool) {
	a, set := i.args[r.name]
	if !set {
		l.missingReference(i, r)
		return nil, r.optional
	}
	val := l.value(a, i.each)
	at := a.expr.Range().Ptr()
	if !val.IsWhollyKnown() {
		l.mustKnow(val, at, fmt.Sprintf("The attribute %q of %s", r.name, i.address))
		return nil, false
	}
	if funcs.Has(val, funcs.Sensitive) {
		l.report(problemAt(at, "Sensitive value in a plain attribute",
			fmt.Sprintf("The attribute %q of %s is shown in plans and logs, but its value is sensitive.", r.name, i.address),
			"Use a value that is not sensitive here."))
		return nil, false
	}
	val, _ = val.UnmarkDeep()
	if val.IsNull() {
		l.missingReference(i, r)
		return nil, r.optional
	}
	elements := []cty.Value{val}
	if r.many {
		ty := val.Type()
		if !ty.IsTupleType() && !ty.IsListType() && !ty.IsSetType() {
			l.report(problemAt(at, "Wrong value for an attribute",
				fmt.Sprintf("The attribute %q takes a list of references, but the value is %s.", r.name, described(val)),
				fmt.Sprintf("Write %s = [%s].", r.name, l.exampleOf(r.root))))
			return nil, false
		}
		elements = val.AsValueSlice()
		if len(elements) == 0 {
			example := l.exampleOf(r.root)
			l.report(problemAt(at, "Missing attribute", fmt.Sprintf("The list %s of %s is empty.", r.name, i.address), addReference(r, example)))
			return nil, false
		}
	}
	var out []*target
	seen := map[string]bool{}
	for _, e := range elements {
		if e.Type() != targetType || e.IsNull() || e.EncapsulatedValue().(*target).root != r.root {
			l.report(problemAt(at, "Wrong kind of block",
				fmt.Sprintf("The attribute %q takes a reference to %s, but the value is %s.", r.name, articled(r.root), described(e)),
				l.referenceRemedy(e, r.root)))
			return nil, false
		}
		t := e.EncapsulatedValue().(*target)
		if seen[t.address] {
			l.report(problemAt(at, "Block is listed twice", fmt.Sprintf("The attribute %q lists %s twice.", r.name, t.address), "Remove one."))
			return nil, false
		}
		seen[t.address] = true
		out = append(out, t)
	}
	return out, true
}

// missingReference reports an attribute that is not set, unless it need not be
// or a misspelt one stands for it.
func (l *loader) missingReference(i *instance, r instanceReference) {
	if r.optional || i.meant[r.name] {
		return
	}
	at := &i.rng
	if a, set := i.args[r.name]; set {
		at = a.expr.Range().Ptr()
	}
	l.report(problemAt(at, "Missing attribute", fmt.Sprintf("%s does not say its %s.", i.address, r.name), addReference(r, l.exampleOf(r.root))))
}

func addReference(r instanceReference, value string) string {
	if r.many {
		value = "[" + value + "]"
	}
	remedy := fmt.Sprintf("Add it, such as %s = %s", r.name, value)
	if !strings.Contains(value, ".none.") {
		remedy += "; " + r.none
	}
	return remedy + "."
}

// exampleOf is a reference that would fit, a declared one if there is one.
func (l *loader) exampleOf(root string) string {
	for _, v := range l.vertices {
		if v.root == root && v.forEach() == nil {
			return v.address()
		}
	}
	if hasTypes(root) {
		return root + ".STRATEGY.NAME"
	}
	return root + ".NAME"
}

func articled(root string) string {
	switch root[0] {
	case 'a', 'i':
		return "an " + root
	default:
		return "a " + root
	}
}

// described names a value that is not what was wanted.
func described(v cty.Value) string {
	if v.IsNull() {
		return "null"
	}
	ty := v.Type()
	switch {
	case ty == targetType:
		t := v.EncapsulatedValue().(*target)
		return fmt.Sprintf("%s, %s", t.address, articled(t.root))
	case ty == cty.String:
		return "a text"
	case ty == cty.Number:
		return "a number"
	case ty == cty.Bool:
		return "true or false"
	case ty.IsTupleType(), ty.IsListType():
		return "a list"
	case ty.IsSetType():
		return "a set"
	case ty.IsMapType():
		return "a map"
	}
	return "an object"
}

// referenceRemedy tells how to write a reference to a block of that kind in
// the place of v.
func (l *loader) referenceRemedy(v cty.Value, root string) string {
	remedy := fmt.Sprintf("Refer to %s, such as %s", articled(root), l.exampleOf(root))
	switch ty := v.Type(); {
	case v.IsNull():
	case ty == cty.String:
		remedy = fmt.Sprintf("Write a reference without quotes, or in JSON as \"${…}\", such as %s", l.exampleOf(root))
	case ty.IsTupleType() || ty.IsListType() || ty.IsSetType():
		remedy = fmt.Sprintf("Write one reference without brackets, such as %s", l.exampleOf(root))
	case ty.IsObjectType() || ty.IsMapType():
		remedy = fmt.Sprintf("Choose one with its name, such as %s, or its key, such as %s.NAME[\"KEY\"]", l.exampleOf(root), rootAndStrategy(root))
	}
	return remedy + "."
}

func rootAndStrategy(root string) string {
	if hasTypes(root) {
		return root + ".STRATEGY"
	}
	return root
}

// lockRange is where the lock block sets a time.
func (i *instance) lockRange() *hcl.Range {
	for _, name := range []string{"lock.drain_timeout", "lock.budget"} {
		if a, ok := i.args[name]; ok {
			return a.expr.Range().Ptr()
		}
	}
	return &i.rng
}
