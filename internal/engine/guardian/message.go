package guardian

import (
	"errors"
	"time"

	"bkp/internal/bitbucket"
	"bkp/internal/secret"
	"bkp/providers"
)

// Instance is how the child reaches the instance.
type Instance struct {
	URL, Username   string
	Password, Token secret.String
	CAFile          string
}

// Watch is what a guardian is started for.
type Watch struct {
	Instance Instance
	// Run is the backup, whose record in the folder Journal gets the
	// release.
	Run     providers.BackupID
	Journal string
	// Log is a file that the child writes to when it acts.
	Log string
	// Waits is a folder in which the child records that it lives while it acts,
	// for WaitingIn; may be "".
	Waits string
	// Undo ends what strategies do under the lock, and is run before the release.
	Undo []providers.UndoCommand
	// Within is the time from Lock to Released after which the parent counts
	// as hung: the budget and a grace.
	Within time.Duration
}

// message is one line on the pipe to the child. Exactly one field is set.
type message struct {
	Watch    *watchMessage `json:"watch,omitempty"`
	Lock     bool          `json:"lock,omitempty"`
	Lease    *leaseMessage `json:"lease,omitempty"`
	Released bool          `json:"released,omitempty"`
}

// answer is one line on the pipe from the child: that it watches, that it asks
// for the lock now, or what came of that.
type answer struct {
	Ready  bool          `json:"ready,omitempty"`
	Asking bool          `json:"asking,omitempty"`
	Lease  *leaseMessage `json:"lease,omitempty"`
	Failed *Failure      `json:"failed,omitempty"`
}

// Failure is a lock that was not given, as the child reports it.
type Failure struct {
	Text string `json:"text"`
	// What the error of the client wraps.
	Locked   bool `json:"locked,omitempty"`
	Unknown  bool `json:"unknown,omitempty"`
	UnderWay bool `json:"under_way,omitempty"`
}

// Error is what the client said in the child.
func (f *Failure) Error() string { return f.Text }

// Is reports whether the client's error wraps target.
func (f *Failure) Is(target error) bool {
	return f.Locked && target == bitbucket.ErrLocked || f.Unknown && target == bitbucket.ErrUnknown ||
		f.UnderWay && target == bitbucket.ErrUnderWay
}

func failure(err error) *Failure {
	return &Failure{
		Text: err.Error(), Locked: errors.Is(err, bitbucket.ErrLocked), Unknown: errors.Is(err, bitbucket.ErrUnknown),
		UnderWay: errors.Is(err, bitbucket.ErrUnderWay),
	}
}

// watchMessage is Watch with its secrets laid open: the pipe is between two
// processes of one user, and nobody else sees it.
type watchMessage struct {
	URL      string             `json:"url"`
	Username string             `json:"username,omitempty"`
	Password string             `json:"password,omitempty"`
	Token    string             `json:"token,omitempty"`
	CAFile   string             `json:"ca_file,omitempty"`
	Run      providers.BackupID `json:"run"`
	Journal  string             `json:"journal"`
	Log      string             `json:"log"`
	Waits    string             `json:"waits,omitempty"`
	Within   time.Duration      `json:"within"`

	Undo []providers.UndoCommand `json:"undo,omitempty"`
}

type leaseMessage struct {
	Unlock string `json:"unlock"`
	Cancel string `json:"cancel,omitempty"`
}

func (w Watch) message() message {
	return message{Watch: &watchMessage{
		URL: w.Instance.URL, Username: w.Instance.Username, Password: w.Instance.Password.Reveal(), Token: w.Instance.Token.Reveal(),
		CAFile: w.Instance.CAFile, Run: w.Run, Journal: w.Journal, Log: w.Log, Waits: w.Waits, Within: w.Within, Undo: w.Undo,
	}}
}

func (w watchMessage) config() bitbucket.Config {
	c := bitbucket.Config{URL: w.URL, Username: w.Username, CAFile: w.CAFile, UserAgent: "bkp-guardian"}
	if w.Password != "" {
		c.Password = secret.New(w.Password)
	}
	if w.Token != "" {
		c.Token = secret.New(w.Token)
	}
	return c
}

func (l leaseMessage) lease() bitbucket.Lease {
	out := bitbucket.Lease{UnlockToken: secret.New(l.Unlock)}
	if l.Cancel != "" {
		out.CancelToken = secret.New(l.Cancel)
	}
	return out
}
