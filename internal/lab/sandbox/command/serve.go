package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2/maybe"
	"golang.org/x/sync/errgroup"

	"bkp/internal/lab/sandbox"
	"bkp/internal/lab/sandbox/proxy"
	"bkp/internal/problem"
)

// tiring is after how many pushes of a user the pauses double: a test on a machine that is
// busy takes minutes, and its home must not outgrow it.
const tiring = 1000

type serveCmd struct {
	Dir       string `required:"" type:"path" help:"Folder for the home; must not exist or be empty."`
	Listen    string `default:"127.0.0.1:0" help:"Address of the instance; port 0 is any free one."`
	Control   string `default:"127.0.0.1:0" help:"Address of the control interface, /sandbox/..., which needs no password; this machine only."`
	Context   string `placeholder:"/PATH" help:"Context path of the instance."`
	User      string `default:"admin" help:"The administrator."`
	Password  string `env:"BITBUCKET_SANDBOX_PASSWORD" default:"sandbox" help:"The administrator's password."`
	ReadyFile string `type:"path" help:"Written as JSON once the sandbox is ready: url, control_url, home, pid."`

	Repositories int           `default:"4" help:"Repositories in the home."`
	Commits      int           `default:"3" help:"Commits that each begins with."`
	Files        int           `help:"Files to aim at for the whole home."`
	Bytes        int64         `help:"Bytes to aim at for the whole home."`
	Postgres     string        `env:"BITBUCKET_SANDBOX_POSTGRES" xor:"database" placeholder:"URL" help:"An empty PostgreSQL database; without it the embedded one is used."`
	MySQL        string        `name:"mysql" env:"BITBUCKET_SANDBOX_MYSQL" xor:"database" placeholder:"URL" help:"An empty MySQL or MariaDB database, as mysql://user:password@host:port/database."`
	SQLServer    string        `name:"sqlserver" env:"BITBUCKET_SANDBOX_SQLSERVER" xor:"database" placeholder:"URL" help:"An empty database of the stand-in for SQL Server, as sqlserver://user:password@host:port/database."`
	DataStore    string        `type:"path" help:"Folder of a data store that takes every second repository."`
	Mesh         int           `help:"Mesh nodes, which then have all repositories: their homes are DIR-mesh-a, DIR-mesh-b and so on."`
	Writers      int           `default:"4" help:"Users who push; 0 for none."`
	Pause        time.Duration `default:"100ms" help:"Of each user between two pushes."`

	cornerFlags
}

// cornerFlags are the corners that scripts want from the beginning; all others
// are changed by the control interface.
type cornerFlags struct {
	Version    string        `name:"bitbucket-version" help:"Version that the instance says it is."`
	Drain      time.Duration `default:"500ms" help:"How long a drain takes at least."`
	DrainEnd   string        `enum:",fails,never" default:"" help:"A drain that fails, or never ends: fails, never."`
	UnlockCode int           `default:"202" help:"HTTP status of an unlock: 202 or 200."`
	StalePolls int           `help:"Polls after each start that reach a node without the task."`
	LockedBy   string        `placeholder:"NAME" help:"Somebody who holds the lock from the beginning."`
	Corners    string        `placeholder:"JSON" help:"Any corners, as the control interface takes them."`
	Rules      string        `placeholder:"JSON" help:"What a proxy in front of the instance answers in its place, as PUT /sandbox/rules takes it."`
}

func (f cornerFlags) corners() (sandbox.Corners, error) {
	c := sandbox.Corners{
		Version: f.Version, Drain: sandbox.Duration(f.Drain), DrainEnd: sandbox.DrainEnd(f.DrainEnd),
		StalePolls: f.StalePolls, Codes: sandbox.Codes{Unlocked: f.UnlockCode},
	}
	if f.Corners == "" {
		return c, nil
	}
	if err := c.Merge([]byte(f.Corners)); err != nil {
		return c, problem.Wrap(err, "corners cannot be read", "see GET /sandbox/corners for their names")
	}
	return c, nil
}

// front is the proxy in front of the server, with its first rules.
func (f cornerFlags) front(server *sandbox.Server) (*proxy.Proxy, error) {
	p := proxy.New(server)
	if f.Rules == "" {
		return p, nil
	}
	rules, err := proxy.Parse([]byte(f.Rules))
	if err == nil {
		err = p.Set(rules...)
	}
	if err != nil {
		return nil, problem.Wrap(err, "rules cannot be read", `write a list such as [{"call":"unlock","to":1,"answer":"html-404"}]`)
	}
	return p, nil
}

// ready is the content of the ready file.
type ready struct {
	URL        string `json:"url"`
	ControlURL string `json:"control_url"`
	Home       string `json:"home"`
	PID        int    `json:"pid"`
}

// Run serves until the context ends or the control interface is asked to stop.
func (c *serveCmd) Run(ctx context.Context, s streams) (err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	corners, err := c.corners()
	if err != nil {
		return err
	}
	var home *sandbox.Home // made before anybody can ask
	server := sandbox.NewServer(sandbox.Options{User: c.User, Password: c.Password, ContextPath: c.Context, Corners: corners, Mesh: func() *sandbox.Home { return home }})
	front, err := c.front(server)
	if err != nil {
		return err
	}
	if c.LockedBy != "" {
		server.LockAs(sandbox.Owner{DisplayName: c.LockedBy, Name: c.LockedBy})
	}
	if c.Mesh > 0 && c.DataStore != "" {
		return problem.New("--mesh and --data-store cannot be combined", "Mesh nodes have all repositories", "leave one of them out")
	}
	home, err = sandbox.CreateHome(ctx, c.Dir, sandbox.HomeOptions{
		Repositories: c.Repositories, Commits: c.Commits, Files: c.Files, Bytes: c.Bytes,
		Database: c.Postgres + c.MySQL + c.SQLServer, DataStore: c.DataStore, Nodes: c.nodes(),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, home.Close()) }()

	var listen net.ListenConfig
	instance, err := listen.Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return err
	}
	control, err := listen.Listen(ctx, "tcp", c.Control)
	if err != nil {
		return errors.Join(err, instance.Close())
	}
	group, ctx := errgroup.WithContext(ctx)
	serve(ctx, group, instance, front)
	serve(ctx, group, control, front.Control(server.Control(stop)))
	load := &sandbox.Load{}
	if c.Writers > 0 {
		load = sandbox.StartLoad(ctx, server, home, sandbox.LoadOptions{Writers: c.Writers, Pause: c.Pause, Tiring: tiring})
	}
	group.Go(func() error {
		return c.announce(s, ready{
			URL: "http://" + instance.Addr().String() + c.Context, ControlURL: "http://" + control.Addr().String() + "/sandbox",
			Home: c.Dir, PID: os.Getpid(),
		})
	})
	err = errors.Join(group.Wait(), load.Stop())
	return errors.Join(err, summarize(s, server.Report(), load.Pushes()))
}

// serve answers until the context ends, then lets the requests under way end.
// nodes are the homes of the Mesh nodes.
func (c *serveCmd) nodes() []string {
	var out []string
	for i := range c.Mesh {
		out = append(out, fmt.Sprintf("%s-mesh-%c", c.Dir, 'a'+i))
	}
	return out
}

func serve(ctx context.Context, group *errgroup.Group, l net.Listener, h http.Handler) {
	const patience = 5 * time.Second
	server := &http.Server{Handler: h, ReadHeaderTimeout: patience}
	group.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		if err := server.Shutdown(last); err != nil {
			return server.Close()
		}
		return nil
	})
}

func (c *serveCmd) announce(s streams, r ready) error {
	_, err := fmt.Fprintf(s.out, "instance %s\nadministrator %s\ncontrol  %s\nhome     %s\n", r.URL, c.User, r.ControlURL, r.Home)
	if os.Getenv("BITBUCKET_SANDBOX_PASSWORD") == "" && err == nil {
		_, err = fmt.Fprintf(s.out, "password %s\n", c.Password)
	}
	if err != nil || c.ReadyFile == "" {
		return err
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(c.ReadyFile), 0o750); err != nil {
		return err
	}
	return maybe.WriteFile(c.ReadyFile, append(text, '\n'), 0o600)
}

// summarize describes what the users saw.
func summarize(s streams, r sandbox.Report, pushes int) error {
	_, err := fmt.Fprintf(s.out, "users: %d requests served, %d of them pushes; %d met 503, %d failed\n",
		r.Users.OK, pushes, r.Users.Unavailable, r.Users.Failed)
	for _, o := range r.Users.Outages {
		if err == nil {
			_, err = fmt.Fprintf(s.out, "outage as users saw it: %s from %s\n",
				o.Length().Round(time.Millisecond), o.From.Format(time.TimeOnly))
		}
	}
	for _, l := range r.Locks {
		if err == nil {
			_, err = fmt.Fprintf(s.out, "lock by %s at %s: %s, drained to noticed %s, to complete %s\n",
				l.Owner.Name, l.Locked.Format(time.TimeOnly), outcome(l.LockRecord),
				l.DrainedToNoticed.Round(time.Millisecond), l.DrainedToComplete.Round(time.Millisecond))
		}
	}
	return err
}

func outcome(l sandbox.LockRecord) string {
	text := "no backup"
	if l.Outcome != "" {
		text = "backup " + string(l.Outcome)
	}
	if l.LetIn {
		text += " when users were let in"
	}
	if l.Unlocked.IsZero() {
		return text + ", never unlocked"
	}
	return text + ", locked for " + l.Unlocked.Sub(l.Locked).Round(time.Millisecond).String()
}
