package email

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http/httptest"
	"net/mail"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bkp/internal/problem"
	"bkp/internal/secret"
	"bkp/providers"
	"bkp/providers/notify"
)

// sink is an SMTP server that keeps what it gets.
type sink struct {
	listener net.Listener
	tls      *tls.Config
	ca       string
	// startTLS, auth and silent are how it behaves; implicit is TLS from the first byte.
	startTLS, auth, implicit, silent bool

	mails chan delivered
}

// delivered is a mail with what the session was like.
type delivered struct {
	encrypted  bool
	login      string
	from       string
	to         []string
	data       string
	transcript []string
}

func newSink(t *testing.T, s sink) *sink {
	t.Helper()
	web := httptest.NewUnstartedServer(nil)
	web.StartTLS() // for its certificate, which is of 127.0.0.1
	t.Cleanup(web.Close)
	s.tls = &tls.Config{Certificates: web.TLS.Certificates, MinVersion: tls.VersionTLS12}
	s.ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(s.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.listener, s.mails = l, make(chan delivered, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.serve(conn)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return &s
}

func (s *sink) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if s.silent {
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	var d delivered
	if s.implicit {
		conn, d.encrypted = tls.Server(conn, s.tls), true
	}
	r := bufio.NewReader(conn)
	say := func(lines ...string) { _, _ = fmt.Fprint(conn, strings.Join(lines, "\r\n")+"\r\n") }
	say("220 sink")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		d.transcript = append(d.transcript, line)
		verb, rest, _ := strings.Cut(line, " ")
		switch strings.ToUpper(verb) {
		case "EHLO":
			lines := []string{"250-sink"}
			if s.startTLS && !d.encrypted {
				lines = append(lines, "250-STARTTLS")
			}
			if s.auth {
				lines = append(lines, "250-AUTH PLAIN")
			}
			say(append(lines, "250 8BITMIME")...)
		case "STARTTLS":
			say("220 go")
			conn, d.encrypted = tls.Server(conn, s.tls), true
			r = bufio.NewReader(conn)
		case "AUTH":
			b, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(rest, "PLAIN "))
			d.login = strings.ReplaceAll(string(b), "\x00", " ")
			if d.login != " bkp hunter2" {
				say("535 wrong: " + d.login)
				continue
			}
			say("235 ok")
		case "MAIL":
			d.from = rest
			say("250 ok")
		case "RCPT":
			d.to = append(d.to, rest)
			say("250 ok")
		case "DATA":
			say("354 go")
			b, _ := textproto.NewReader(r).ReadDotBytes()
			d.data = string(b)
			say("250 ok")
			s.mails <- d
		case "QUIT":
			say("221 bye")
			return
		default:
			say("500 what")
		}
	}
}

func (s *sink) config(mode string) Config {
	cfg := *Definition().NewConfig().(*Config)
	cfg.SMTPHost, cfg.Port = "127.0.0.1", s.listener.Addr().(*net.TCPAddr).Port
	cfg.From, cfg.To, cfg.TLS = "Bäckup <bkp@example.com>", []string{"ops@example.com", "Boss <boss@example.com>"}, TLS{Mode: mode, TLS: notify.TLS{CAFile: s.ca}}
	cfg.Timeout = 5 * time.Second
	return cfg
}

const reportURL = "https://intranet.example.com/bkp.html"

func send(t *testing.T, cfg Config, n providers.Notice) error {
	t.Helper()
	if problems := cfg.ValidateConfig(); len(problems) > 0 {
		t.Fatal(problems)
	}
	to, err := providers.Notifiers.Open(Definition(), &cfg, providers.Env{Address: "notify.email.x"})
	if err != nil {
		t.Fatal(err)
	}
	return to.Notify(t.Context(), n)
}

func TestMailIsDelivered(t *testing.T) {
	for name, c := range map[string]struct {
		sink     sink
		mode     string
		password string
	}{
		"starttls": {sink{startTLS: true, auth: true}, modeSTARTTLS, "hunter2"},
		"tls":      {sink{implicit: true, auth: true}, modeTLS, "hunter2"},
		"none":     {sink{}, modeNone, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSink(t, c.sink)
			cfg := s.config(c.mode)
			if c.password != "" {
				cfg.Username, cfg.Password = "bkp", secret.New(c.password)
			}
			cfg.ReportURL = reportURL
			n := notify.Example()
			n.Report = ""
			n.Summary, n.Detail = "Die Sicherung schlug fehl: ä\r\nBcc: evil@example.com", "line\n.\nMAIL FROM:<x>\nend"
			if err := send(t, cfg, n); err != nil {
				t.Fatal(err)
			}
			d := <-s.mails
			if d.encrypted != (c.mode != modeNone) || (d.login != "") != (c.password != "") || len(d.to) != 2 || !strings.Contains(d.from, "<bkp@example.com>") {
				t.Errorf("%+v", d)
			}
			read(t, d, n)
		})
	}
}

// read parses the mail as a reader does: nothing of a notice has become a header.
func read(t *testing.T, d delivered, n providers.Notice) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(d.data))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := (&mime.WordDecoder{}).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || subject != "[bkp] Die Sicherung schlug fehl: ä Bcc: evil@example.com" || m.Header.Get("Bcc") != "" {
		t.Errorf("subject %q, %v", subject, err)
	}
	to, err := m.Header.AddressList("To")
	if err != nil || len(to) != 2 || m.Header.Get("Auto-Submitted") != "auto-generated" {
		t.Errorf("to %v, %v", to, err)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil || !strings.Contains(strings.ReplaceAll(string(body), "\r\n", "\n"), n.Detail+"\n") || !strings.Contains(string(body), "Report: "+reportURL) {
		t.Errorf("body %q, %v", body, err)
	}
}

// TestAPasswordIsForAServerThatEncryptsAndIsKnown: to others nothing is sent, neither
// the password nor the mail.
func TestAPasswordIsForAServerThatEncryptsAndIsKnown(t *testing.T) {
	for name, c := range map[string]struct {
		sink sink
		mode string
		edit func(*Config)
		want string
	}{
		"no STARTTLS":         {sink{auth: true}, modeSTARTTLS, func(*Config) {}, "does not offer STARTTLS"},
		"another authority":   {sink{startTLS: true, auth: true}, modeSTARTTLS, func(c *Config) { c.TLS.CAFile = "" }, "certificate"},
		"implicit, no TLS":    {sink{auth: true}, modeTLS, func(*Config) {}, "tls"},
		"wrong password":      {sink{startTLS: true, auth: true}, modeSTARTTLS, func(c *Config) { c.Password = secret.New("hunter3") }, "535"},
		"no login possible":   {sink{startTLS: true}, modeSTARTTLS, func(*Config) {}, "does not offer to log in"},
		"accepts and hangs":   {sink{silent: true}, modeSTARTTLS, func(c *Config) { c.Timeout = 200 * time.Millisecond }, "took longer than 200ms"},
		"a handshake hangs":   {sink{silent: true}, modeTLS, func(c *Config) { c.Timeout = 200 * time.Millisecond }, "took longer than 200ms"},
		"authority not there": {sink{startTLS: true, auth: true}, modeSTARTTLS, func(c *Config) { c.TLS.CAFile = "/nonexistent.pem" }, "authority cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSink(t, c.sink)
			cfg := s.config(c.mode)
			cfg.Username, cfg.Password = "bkp", secret.New("hunter2")
			c.edit(&cfg)
			begun := time.Now()
			err := send(t, cfg, notify.Example())
			if err == nil || !strings.Contains(err.Error(), c.want) || problem.Remedy(err) == "" {
				t.Errorf("%v", err)
			}
			if err != nil && strings.Contains(err.Error(), cfg.Password.Reveal()) {
				t.Errorf("the password is in %v", err)
			}
			if len(s.mails) > 0 || time.Since(begun) > 4*time.Second {
				t.Errorf("%d mails after %s", len(s.mails), time.Since(begun))
			}
		})
	}
}

func TestValidateConfig(t *testing.T) {
	for name, edit := range map[string]func(*Config){
		"report_url":     func(c *Config) { c.ReportURL = "intranet" },
		"from":           func(c *Config) { c.From = "nobody" },
		"to":             func(c *Config) { c.To = []string{"a@b", "x\r\nBcc: y@z"} },
		"nobody":         func(c *Config) { c.To = nil },
		"host with port": func(c *Config) { c.SMTPHost = "smtp.example.com:25" },
		"port":           func(c *Config) { c.Port = 70000 },
		"mode":           func(c *Config) { c.TLS.Mode = "ssl" },
		"half a login":   func(c *Config) { c.Username = "x" },
		"plain password": func(c *Config) { c.Username, c.Password, c.TLS.Mode = "x", secret.New("y"), modeNone },
		"subject":        func(c *Config) { c.Subject = "{{.Nothing}}" },
		"template":       func(c *Config) { c.Template = "{{" },
		"on":             func(c *Config) { c.On = []string{"sometimes"} },
		"timeout":        func(c *Config) { c.Timeout = 0 },
	} {
		cfg := *Definition().NewConfig().(*Config)
		cfg.SMTPHost, cfg.From, cfg.To = "smtp.example.com", "a@b.example", []string{"c@d.example"}
		if p := cfg.ValidateConfig(); len(p) > 0 {
			t.Fatal(p)
		}
		edit(&cfg)
		if p := cfg.ValidateConfig(); len(p) != 1 || p[0].Remedy == "" {
			t.Errorf("%s: %v", name, p)
		}
	}
}

func TestPorts(t *testing.T) {
	for mode, want := range map[string]int{modeSTARTTLS: 587, modeTLS: 465, modeNone: 25} {
		if got := (&Config{TLS: TLS{Mode: mode}}).port(); got != want {
			t.Errorf("%s: %d", mode, got)
		}
	}
}
