package command

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"bkp/internal/host"
	"bkp/internal/problem"
	"bkp/internal/secret"
	"bkp/providers"
)

// refBackup is the key of the backup's id in the Ref of every artifact: verbs that
// get an artifact need it.
const refBackup = "backup"

// Part is a component whose verbs are commands. The strategies embed it.
type Part struct {
	Commands Commands
	Env      providers.Env
	// Strategy is the name for artifacts, such as home "command".
	Strategy string
	// Home is nil for what is no home.
	Home *Home

	secrets []secret.String
	// prepared is what Prepare and Warm gave for the backup of this run.
	prepared Answer
	running  providers.BackupID
	// ours are the backups for which this process ran commands. One value serves
	// one run, whose verbs come one after the other.
	ours map[providers.BackupID]bool
}

// NewPart makes a part. It touches nothing.
func NewPart(c Commands, env providers.Env, strategy string, home *Home) *Part {
	return &Part{Commands: c, Env: env, Strategy: strategy, Home: home, secrets: c.secrets(), ours: map[providers.BackupID]bool{}}
}

// CheckCommands adds to r whether the commands can be run, what check says, and
// what each verb will do.
func (p *Part) CheckCommands(ctx context.Context, r *providers.Report) error {
	if r.Facts == nil {
		r.Facts = map[string]string{}
	}
	p.describe(r)
	for _, v := range slices.Sorted(maps.Keys(p.Commands.calls())) {
		p.checkCommand(r, v)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Commands.Environment)) {
		if soundsSecret(name) {
			r.Add(problem.Warn("secret in the plain environment", fmt.Sprintf("%s of %s is shown in plans and messages, and its name sounds like a secret's", name, p.Env.Address),
				"set it in a block secret"))
		}
	}
	if r.Failed() {
		return nil
	}
	a, err := p.ask(ctx, Check, Request{})
	if err != nil {
		return err
	}
	for _, f := range a.Findings {
		r.Findings = append(r.Findings, providers.Finding{Severity: f.Severity, Summary: f.Summary, Detail: f.Detail, Remedy: f.Remedy})
	}
	for key, value := range a.Facts {
		r.Facts[key] = value
	}
	if a.Estimate != nil {
		r.Estimate = providers.Estimate{Files: a.Estimate.Files, Bytes: a.Estimate.Bytes}
	}
	if a.Repositories != nil {
		r.Repositories = a.Repositories
	}
	return nil
}

// soundsSecret reports whether the name of a variable is one that secrets have.
func soundsSecret(name string) bool {
	upper := strings.ToUpper(name)
	return slices.ContainsFunc([]string{"PASSWORD", "PASSWD", "SECRET", "TOKEN", "CREDENTIAL", "API_KEY"}, func(s string) bool { return strings.Contains(upper, s) }) &&
		!strings.HasSuffix(upper, "_FILE")
}

// checkCommand looks whether a command can be run.
func (p *Part) checkCommand(r *providers.Report, v Verb) {
	name := p.Commands.call(v).Command[0]
	path, err := p.Env.Host.LookPath(name)
	if err == nil {
		if fi, err := os.Stat(path); err == nil && fi.Mode().Perm()&0o002 != 0 && fi.Mode().IsRegular() {
			r.Add(problem.Warn("command can be changed by everybody", fmt.Sprintf("%s of %s runs %s, to which every user may write", v, p.Env.Address, path), "take that right away:\n\n    chmod o-w "+path))
		}
		return
	}
	if fi, err := os.Stat(name); err == nil {
		what := "it is not executable"
		if fi.IsDir() {
			what = "it is a folder"
		}
		r.Add(problem.New(notRunnable, fmt.Sprintf("%s of %s: %s: %s", v, p.Env.Address, name, what), "make it executable:\n\n    chmod +x "+name))
		return
	}
	r.Add(problem.New(missing, fmt.Sprintf("%s of %s: %s", v, p.Env.Address, name), "install it, or correct command"))
}

// describe says in r what each verb will run.
func (p *Part) describe(r *providers.Report) {
	if r.Does == nil {
		r.Does = map[providers.Verb]string{}
	}
	warm := p.runs(Warm)
	if warm != "" {
		warm = "right before the lock " + warm
	}
	r.Does[providers.Prepare] = joined(r.Does[providers.Prepare], p.runs(Prepare), warm)
	undo := p.runs(Undo)
	if undo != "" {
		undo = "if bkp dies meanwhile " + undo
	}
	r.Does[providers.Capture] = joined(p.runs(Capture), undo, "to undo it "+p.runs(Discard))
	r.Does[providers.Finish] = p.runs(Finish)
	r.Does[providers.Restore] = joined(p.runs(Restore), r.Does[providers.Restore])
}

// UndoOf is what the guardian runs if bkp dies under the lock; see providers.Undoer.
// The command gets no document: the guardian may outlive whatever could write one.
func (p *Part) UndoOf(b providers.BackupID) []providers.UndoCommand {
	c := p.Commands.call(Undo)
	if c == nil {
		return nil
	}
	env := p.environment(p.fill(Undo, Request{Backup: b}))
	var secrets []string
	for _, s := range p.secrets {
		secrets = append(secrets, s.Reveal())
	}
	return []providers.UndoCommand{{Name: c.Command[0], Args: c.Command[1:], Env: env, Secrets: secrets, Timeout: c.Timeout}}
}

func joined(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "; ")
}

// runs is what a verb runs, "" for nothing.
func (p *Part) runs(v Verb) string {
	c := p.Commands.call(v)
	if c == nil {
		return ""
	}
	return fmt.Sprintf("run %s (at most %s)", secret.Redact(c.Text(), p.secrets...), shortDuration(c.Timeout))
}

// shortDuration is a duration as a file has it.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// PrepareBackup runs prepare.
func (p *Part) PrepareBackup(ctx context.Context, b providers.BackupID) error {
	p.running, p.ours[b] = b, true
	a, err := p.ask(ctx, Prepare, Request{Backup: b})
	p.prepared = a
	return err
}

// WarmUp runs warm, which goes on from what prepare gave.
func (p *Part) WarmUp(ctx context.Context) error {
	if p.running == "" {
		return nil
	}
	a, err := p.ask(ctx, Warm, Request{Backup: p.running, Ref: p.prepared.Ref, Facts: p.prepared.Facts})
	p.prepared = p.prepared.then(a)
	return err
}

// then is what a later verb leaves of an earlier answer: facts add up, a ref and
// trees take the place of what was there.
func (a Answer) then(b Answer) Answer {
	if b.Ref != nil {
		a.Ref = b.Ref
	}
	if b.Facts != nil {
		a.Facts = maps.Clone(a.Facts)
		if a.Facts == nil {
			a.Facts = map[string]string{}
		}
		maps.Copy(a.Facts, b.Facts)
	}
	if b.Trees != nil || b.Tree != "" {
		a.Trees, a.Tree = b.Trees, b.Tree
	}
	return a
}

// CaptureInstant runs capture. The artifact is Pending if there is a command for
// finish, which any process can run.
func (p *Part) CaptureInstant(ctx context.Context, b providers.BackupID) (providers.Artifact, error) {
	at := time.Now().UTC()
	p.ours[b] = true
	a, err := p.ask(ctx, Capture, Request{Backup: b, Ref: p.prepared.Ref, Facts: p.prepared.Facts})
	if err != nil {
		return providers.Artifact{}, err
	}
	out := providers.Artifact{Address: p.Env.Address, Strategy: p.Strategy, PointInTime: at}
	p.fillIn(&out, b, p.prepared.then(a))
	if p.Commands.Has(Finish) {
		out.Life = providers.Pending
		return out, nil
	}
	return out, p.settle(Capture, &out)
}

// FinishUp runs finish, which may be repeated, in another process too.
func (p *Part) FinishUp(ctx context.Context, a providers.Artifact) (providers.Artifact, error) {
	if a.Life != providers.Pending {
		return a, nil
	}
	b := Backup(a)
	p.takeOver(b)
	got, err := p.ask(ctx, Finish, about(a))
	if err != nil {
		return a, err
	}
	done := a
	p.fillIn(&done, b, answerOf(a).then(got))
	if err := p.settle(Finish, &done); err != nil {
		return a, err
	}
	return done, nil
}

// fillIn puts an answer into an artifact.
func (p *Part) fillIn(a *providers.Artifact, b providers.BackupID, from Answer) {
	a.Ref = map[string]string{refBackup: string(b)}
	maps.Copy(a.Ref, from.Ref)
	a.Facts = maps.Clone(from.Facts)
	a.Trees = nil
	if from.Tree != "" {
		from.Trees = []Tree{{Place: p.onePlace(), Path: from.Tree}}
	}
	for _, t := range from.Trees {
		a.Trees = append(a.Trees, providers.Tree{Place: t.Place, Path: t.Path, LeaveOut: t.LeaveOut})
	}
}

// onePlace is that of an answer's only tree.
func (p *Part) onePlace() string {
	if p.Home != nil {
		return "home"
	}
	return ""
}

// settle gives a finished artifact its life, and refuses one that nothing can be
// made of: trees that are not there, and a state that nobody could remove.
func (p *Part) settle(v Verb, a *providers.Artifact) error {
	of := fmt.Sprintf("%s of %s", v, p.Env.Address)
	a.Life = providers.Staged
	if len(a.Trees) == 0 {
		a.Life = providers.Native
		switch {
		case len(a.Ref) == 1: // the id alone
			return problem.New(unclear, of+" gave neither a tree nor a ref", protocolRemedy)
		case !p.Commands.Keeps():
			return problem.New("backup cannot be removed later", of+" gave a ref and no tree, and without list and delete nothing could remove it again",
				"declare list, delete and restore, or let the command give a tree that an archive can copy")
		}
	}
	for _, t := range a.Trees {
		fi, err := os.Stat(t.Path)
		if err == nil && !fi.IsDir() {
			err = fmt.Errorf("%s is not a folder", t.Path)
		}
		if err != nil {
			return problem.Wrapf(err, "tree of a command is not there", "let the command wait until it is there, and print its path", "%s", of)
		}
	}
	return nil
}

// takeOver notes that this process runs commands for b. What an earlier one that
// died left running for it is ended: it would work on the same things.
func (p *Part) takeOver(b providers.BackupID) {
	if !p.ours[b] {
		host.EndMarked(p.marks(b)...)
	}
	p.ours[b] = true
}

// DiscardAll runs discard, but for what was kept.
func (p *Part) DiscardAll(ctx context.Context, b providers.BackupID) error {
	if _, err := providers.ParseBackupID(string(b)); err != nil {
		return err
	}
	kept, err := p.record(b)
	if err != nil {
		return err
	}
	if kept != nil {
		return p.release(ctx, *kept)
	}
	p.takeOver(b)
	_, err = p.ask(ctx, Discard, Request{Backup: b})
	return err
}

// about is a request about an artifact.
func about(a providers.Artifact) Request {
	got := answerOf(a)
	return Request{Backup: Backup(a), Ref: got.Ref, Facts: got.Facts, Trees: got.Trees}
}

// answerOf is what the commands gave so far for an artifact.
func answerOf(a providers.Artifact) Answer {
	out := Answer{Ref: maps.Clone(a.Ref), Facts: a.Facts}
	delete(out.Ref, refBackup)
	for _, t := range a.Trees {
		out.Trees = append(out.Trees, Tree{Place: t.Place, Path: t.Path, LeaveOut: t.LeaveOut})
	}
	return out
}

// Backup is the id of the backup that an artifact is of, "" if it is of another
// strategy.
func Backup(a providers.Artifact) providers.BackupID { return providers.BackupID(a.Ref[refBackup]) }
