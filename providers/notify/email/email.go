package email

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/smtp"
	"strconv"

	"bkp/internal/post"
	"bkp/internal/problem"
	"bkp/internal/secret"
	"bkp/providers"
)

type notifier struct{ Config }

var _ providers.Notifier = notifier{}

// Notify implements providers.Notifier.
func (e notifier) Notify(ctx context.Context, n providers.Notice) error {
	message, err := e.message(n)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	if err := e.send(ctx, message); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("it took longer than %s: %w", e.Timeout, err)
		}
		return problem.New("mail was not sent", secret.Redact(fmt.Sprintf("%s: %v", e.SMTPHost, err), e.Password), "check host, port, tls and the login of the block; the server's log says more")
	}
	return nil
}

// send hands the message to the server. The connection ends with ctx.
func (e notifier) send(ctx context.Context, message []byte) error {
	config := &tls.Config{ServerName: e.SMTPHost, MinVersion: tls.VersionTLS12}
	if e.TLS.CAFile != "" {
		pool, err := post.Authorities(e.TLS.CAFile)
		if err != nil {
			return err
		}
		config.RootCAs = pool
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(e.SMTPHost, strconv.Itoa(e.port())))
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // net/smtp takes no context
	defer stop()
	defer func() { _ = conn.Close() }()
	if e.TLS.Mode == modeTLS {
		conn = tls.Client(conn, config)
	}
	client, err := smtp.NewClient(conn, e.SMTPHost)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	if err := e.greet(client, config); err != nil {
		return err
	}
	return e.deliver(client, message)
}

// greet encrypts and logs in. A server that offers no encryption gets neither the
// password nor the mail.
func (e notifier) greet(client *smtp.Client, config *tls.Config) error {
	if e.TLS.Mode == modeSTARTTLS {
		if ok, _ := client.Extension("STARTTLS"); !ok {
			return errors.New("the server does not offer STARTTLS, so that nothing was sent")
		}
		if err := client.StartTLS(config); err != nil {
			return err
		}
	}
	if e.Username == "" {
		return nil
	}
	if ok, _ := client.Extension("AUTH"); !ok {
		return errors.New("the server does not offer to log in")
	}
	return client.Auth(smtp.PlainAuth("", e.Username, e.Password.Reveal(), e.SMTPHost))
}

func (e notifier) deliver(client *smtp.Client, message []byte) error {
	if err := client.Mail(bare(e.From)); err != nil {
		return err
	}
	for _, to := range e.To {
		if err := client.Rcpt(bare(to)); err != nil {
			return fmt.Errorf("%s: %w", to, err)
		}
	}
	w, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(message); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = client.Quit() // the server has the mail
	return nil
}

// bare is an address without its name; that it is one was checked.
func bare(address string) string {
	a, err := mail.ParseAddress(address)
	if err != nil {
		return address
	}
	return a.Address
}
