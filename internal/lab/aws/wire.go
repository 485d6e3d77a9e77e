//go:build linux

package aws

import (
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// failure is an error of a call, as Amazon answers it.
type failure struct {
	code, message string
	status        int
}

func (f *failure) Error() string { return f.code + ": " + f.message }

func fail(code, format string, args ...any) *failure {
	return &failure{code: code, message: fmt.Sprintf(format, args...), status: http.StatusBadRequest}
}

// call is one request.
type call struct {
	url.Values
	place   place
	service string
	action  string
	state   *state
}

// list are the values NAME.1, NAME.2 and so on.
func (c call) list(name string) []string {
	var out []string
	for i := 1; ; i++ {
		key := name + "." + strconv.Itoa(i)
		if !c.Has(key) {
			return out
		}
		out = append(out, c.Get(key))
	}
}

// filters are those of EC2: by name, each with its values.
func (c call) filters() map[string][]string {
	out := map[string][]string{}
	for i := 1; ; i++ {
		name := c.Get(fmt.Sprintf("Filter.%d.Name", i))
		if name == "" {
			return out
		}
		out[name] = c.list(fmt.Sprintf("Filter.%d.Value", i))
	}
}

// tags of a resource.
type tags map[string]string

func (t tags) texts() []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(t)) {
		out = append(out, k+"="+t[k])
	}
	return out
}

// has reports whether the tags fulfil the filters that are about tags.
func (t tags) has(filters map[string][]string) bool {
	for name, values := range filters {
		if key, ok := strings.CutPrefix(name, "tag:"); ok && (t[key] == "" || !slices.Contains(values, t[key])) {
			return false
		}
		if name == "tag-key" && !slices.ContainsFunc(values, func(k string) bool { _, ok := t[k]; return ok }) {
			return false
		}
	}
	return true
}

// specified are the tags of a TagSpecification for a type of resources.
func (c call) specified(kind string) tags {
	out := tags{}
	for i := 1; c.Has(fmt.Sprintf("TagSpecification.%d.ResourceType", i)); i++ {
		if c.Get(fmt.Sprintf("TagSpecification.%d.ResourceType", i)) == kind {
			maps.Copy(out, c.tagList(fmt.Sprintf("TagSpecification.%d.Tag", i)))
		}
	}
	return out
}

func (c call) tagList(prefix string) tags {
	out := tags{}
	for i := 1; c.Has(fmt.Sprintf("%s.%d.Key", prefix, i)); i++ {
		out[c.Get(fmt.Sprintf("%s.%d.Key", prefix, i))] = c.Get(fmt.Sprintf("%s.%d.Value", prefix, i))
	}
	return out
}

// el writes an XML element with text or further elements.
func el(name string, content ...any) string {
	var b strings.Builder
	b.WriteString("<" + name + ">")
	for _, c := range content {
		switch v := c.(type) {
		case elements:
			b.WriteString(strings.Join(v, ""))
		case time.Time:
			b.WriteString(v.UTC().Format("2006-01-02T15:04:05.000Z"))
		default:
			_ = xml.EscapeText(&b, fmt.Append(nil, v)) // a builder takes everything
		}
	}
	b.WriteString("</" + name + ">")
	return b.String()
}

// elements are XML already.
type elements []string

// all are the elements of a list, each named so.
func all[T any](name string, list []T, of func(T) elements) elements {
	var out elements
	for _, item := range list {
		out = append(out, el(name, of(item)))
	}
	return out
}

func (t tags) xml(item string) elements {
	keys := slices.Sorted(maps.Keys(t))
	if item == "Tag" {
		return all(item, keys, func(k string) elements { return elements{el("Key", k), el("Value", t[k])} })
	}
	return all(item, keys, func(k string) elements { return elements{el("key", k), el("value", t[k])} })
}

func (w *World) serve(rw http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	c, err := w.parse(r)
	if err != nil {
		w.refuse(rw, c, err)
		return
	}
	var f *Fault
	w.mu.Lock()
	if c.Get("DryRun") != "true" {
		w.calls = append(w.calls, c.action)
		f = w.fault(c.action)
	}
	w.mu.Unlock()
	if f != nil && f.Then != nil {
		f.Then()
	}
	if f != nil && f.Code != "" {
		w.refuse(rw, c, throttled(f.Code))
		return
	}
	w.mu.Lock()
	w.follow()
	body, err := w.answer(c)
	if n := len(w.ticks); n == 0 || w.ticks[n-1].offset != w.offset {
		w.ticks = append(w.ticks, tick{time.Now(), w.offset})
	}
	w.mu.Unlock()
	if f != nil && f.Lost {
		panic(http.ErrAbortHandler)
	}
	if err != nil {
		w.refuse(rw, c, err)
		return
	}
	w.reply(rw, c, body)
}

// throttled is the answer with a code; that of throttling has its own status.
func throttled(code string) *failure {
	f := fail(code, "the test wants it")
	if code == "RequestLimitExceeded" || code == "Throttling" {
		f.status = http.StatusServiceUnavailable
	}
	return f
}

// parse finds out who asks for what, by the signature's scope. Whether it fits is
// not checked.
func (w *World) parse(r *http.Request) (call, *failure) {
	c := call{Values: r.Form, action: r.Form.Get("Action")}
	if c.action == "AssumeRoleWithWebIdentity" {
		c.service, c.place = "sts", place{Account, Region}
		return c, nil
	}
	_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	scope, _, _ = strings.Cut(scope, ",")
	parts := strings.Split(scope, "/")
	if len(parts) < 4 {
		return c, fail("MissingAuthenticationToken", "the request is not signed")
	}
	c.service = parts[3]
	w.mu.Lock()
	defer w.mu.Unlock()
	account, ok := w.keys[parts[0]]
	switch {
	case !ok:
		return c, fail("AuthFailure", "the key %s is not known", parts[0])
	case account == "":
		return c, fail("ExpiredToken", "the security token has expired")
	}
	c.place = place{account, parts[2]}
	c.state = w.at(c.place)
	return c, nil
}

// Expire lets the keys that are known now expire.
func (w *World) Expire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for k := range w.keys {
		w.keys[k] = ""
	}
}

// answer has the effect of a call. The lock is held.
func (w *World) answer(c call) (elements, *failure) {
	right := c.service + ":" + c.action
	does, ok := w.actions()[right]
	if !ok {
		return nil, fail("InvalidAction", "the stand-in does not know %s", right)
	}
	if w.denied[right] {
		code := "UnauthorizedOperation"
		if c.service != "ec2" {
			code = "AccessDenied"
		}
		f := fail(code, "the role may not %s", right)
		f.status = http.StatusForbidden
		return nil, f
	}
	if c.Get("DryRun") == "true" {
		f := fail("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
		f.status = http.StatusPreconditionFailed
		return nil, f
	}
	return does(c)
}

func (w *World) actions() map[string]func(call) (elements, *failure) {
	out := map[string]func(call) (elements, *failure){
		"ec2:DescribeInstances": w.describeInstances, "ec2:DescribeVolumes": w.describeVolumes, "ec2:DescribeSnapshots": w.describeSnapshots,
		"ec2:CreateSnapshots": w.createSnapshots, "ec2:CreateSnapshot": w.createSnapshot, "ec2:DeleteSnapshot": w.deleteSnapshot, "ec2:CreateTags": w.createTags, "ec2:DeleteTags": w.deleteTags,
		"ec2:CopySnapshot": w.copySnapshot, "ec2:ModifySnapshotAttribute": w.shareSnapshot, "ec2:LockSnapshot": w.lockSnapshot, "ec2:DescribeLockedSnapshots": w.describeLocked,
		"ec2:CreateVolume": w.createVolume, "ec2:AttachVolume": w.attachVolume, "ec2:DetachVolume": w.detachVolume, "ec2:DeleteVolume": w.deleteVolume,
		"rds:AddTagsToResource": w.tagDatabase, "rds:RemoveTagsFromResource": w.untagDatabase, "rds:CreateDBInstance": w.createMember,
		"sts:GetCallerIdentity": w.callerIdentity, "sts:AssumeRole": w.assumeRole, "sts:AssumeRoleWithWebIdentity": w.webIdentity,
	}
	for _, f := range []family{instanceFamily, clusterFamily} {
		maps.Copy(out, map[string]func(call) (elements, *failure){
			"rds:Describe" + f.noun + "s": w.describeDatabases(f), "rds:Describe" + f.snapshot + "s": w.describeDatabaseSnapshots(f), "rds:Create" + f.snapshot: w.createDatabaseSnapshot(f),
			"rds:Delete" + f.snapshot: w.deleteDatabaseSnapshot(f), "rds:Copy" + f.snapshot: w.copyDatabaseSnapshot(f), "rds:Modify" + f.snapshot + "Attribute": w.shareDatabaseSnapshot(f),
			"rds:Restore" + f.noun + "ToPointInTime": w.restoreDatabaseAt(f), "rds:Delete" + f.noun: w.deleteDatabase(f),
		})
	}
	out["rds:RestoreDBInstanceFromDBSnapshot"] = w.restoreDatabase(instanceFamily)
	out["rds:RestoreDBClusterFromSnapshot"] = w.restoreDatabase(clusterFamily)
	return out
}

func (w *World) reply(rw http.ResponseWriter, c call, body elements) {
	rw.Header().Set("Content-Type", "text/xml")
	rw.Header().Set("Date", w.date())
	id := "12345678-request"
	if c.service == "ec2" {
		_, _ = fmt.Fprint(rw, el(c.action+"Response", append(elements{el("requestId", id)}, body...)))
		return
	}
	_, _ = fmt.Fprint(rw, el(c.action+"Response", elements{el(c.action+"Result", body), el("ResponseMetadata", elements{el("RequestId", id)})}))
}

func (w *World) date() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now().Format(http.TimeFormat)
}

func (w *World) refuse(rw http.ResponseWriter, c call, f *failure) {
	rw.Header().Set("Content-Type", "text/xml")
	rw.Header().Set("Date", w.date())
	rw.WriteHeader(f.status)
	about := elements{el("Code", f.code), el("Message", f.message)}
	if c.service == "ec2" || c.service == "" {
		_, _ = fmt.Fprint(rw, el("Response", elements{el("Errors", elements{el("Error", about)}), el("RequestID", "12345678-request")}))
		return
	}
	_, _ = fmt.Fprint(rw, el("ErrorResponse", elements{el("Error", append(elements{el("Type", "Sender")}, about...)), el("RequestId", "12345678-request")}))
}
