package guardian

import (
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
	// Run is the backup, whose record in the folder Journal is told of the
	// release.
	Run     providers.BackupID
	Journal string
	// Log is a file that the child writes to when it acts.
	Log string
	// Within is the time from Expect to Released after which the parent counts
	// as hung: the budget and a grace.
	Within time.Duration
}

// message is one line on the pipe. Exactly one field is set, but for Ready,
// which is the child's answer.
type message struct {
	Watch    *watchMessage `json:"watch,omitempty"`
	Expect   bool          `json:"expect,omitempty"`
	Lease    *leaseMessage `json:"lease,omitempty"`
	Released bool          `json:"released,omitempty"`
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
	Within   time.Duration      `json:"within"`
}

type leaseMessage struct {
	Unlock string `json:"unlock"`
	Cancel string `json:"cancel,omitempty"`
}

func (w Watch) message() message {
	return message{Watch: &watchMessage{
		URL: w.Instance.URL, Username: w.Instance.Username, Password: w.Instance.Password.Reveal(), Token: w.Instance.Token.Reveal(),
		CAFile: w.Instance.CAFile, Run: w.Run, Journal: w.Journal, Log: w.Log, Within: w.Within,
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
