package bitbucket

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"

	"bkp/internal/problem"
)

// Observation is what a look at an instance, which changes nothing, found.
type Observation struct {
	Properties Properties
	// Mesh is nil if the instance could not be asked.
	Mesh     *Mesh
	Findings []problem.Problem
}

// Observe checks all that a lock needs: reachable, version, running, the
// credentials an administrator's, not locked now.
func (c *Client) Observe(ctx context.Context) Observation {
	var o Observation
	if c.base.Scheme == "http" && !loopback(c.base.Hostname()) {
		o.add(problem.Warn("credentials travel unencrypted", fmt.Sprintf("%s is plain http to another machine", c.base), "use https"))
	}
	// The lock comes first: a locked instance answers nothing else.
	owner, locked, lockErr := c.LockOwner(ctx)
	if locked {
		o.add(problem.New("the instance is locked", c.base.String()+" is locked"+owner.By(),
			"wait until it is unlocked; if a run of bkp left it locked:\n\n    bkp unlock"))
		return o
	}
	p, err := c.Properties(ctx)
	if err != nil {
		o.add(c.unreachable(err))
		return o
	}
	o.Properties = p
	if p.Proxy != "" && !c.config.Direct {
		o.add(problem.Warn("a proxy or load balancer answers for the instance", fmt.Sprintf("%s answers with %q; a proxy that checks the health of its nodes takes a node in maintenance "+
			"out of service, and then bkp cannot reach it to unlock it", c.base, p.Proxy),
			`set the address of the node itself: maintenance_url = "http://NODE:7990"`))
	}
	switch {
	case denied(lockErr):
		o.add(c.refused(lockErr))
		return o
	case lockErr != nil:
		o.add(problem.Wrap(lockErr, "the lock's state cannot be read", "check what answers at the instance's url"))
		return o
	}
	if err := c.ProveAdministrator(ctx); err != nil {
		if denied(err) {
			o.add(c.refused(err))
		} else {
			o.add(problem.Wrap(err, "the permissions cannot be checked", "the account must be a system administrator"))
		}
		return o
	}
	switch state, err := c.Status(ctx); {
	case err == nil && state != "RUNNING":
		o.add(problem.New("the instance is not running", fmt.Sprintf("%s says it is %s", c.base, state), "wait until it is RUNNING"))
	case status(err) >= 500: // STARTING and ERROR are 503
		o.add(problem.Wrap(err, "the instance is not running", "wait until it is RUNNING"))
	default:
		m := c.mesh(ctx)
		o.Mesh = &m
	}
	return o
}

func (o *Observation) add(p *problem.Problem) { o.Findings = append(o.Findings, *p) }

func (c *Client) refused(err error) *problem.Problem {
	if c.config.Token.Reveal() != "" {
		return problem.Wrap(err, "the credentials are refused", "access tokens do not carry administrator permission in most versions: use username and password of a system administrator")
	}
	return problem.Wrapf(err, "the credentials are refused", "check username and password; the account must be a system administrator", "user %q", c.config.Username)
}

func (c *Client) unreachable(err error) *problem.Problem {
	var cert *tls.CertificateVerificationError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var s *StatusError
	var reply *ReplyError
	switch {
	case errors.As(err, &name):
		return problem.Wrap(err, "the instance's certificate is for another host name",
			fmt.Sprintf("the certificate must list %s as a subject alternative name (subjectAltName); ca_file does not help here. Reissue the certificate with that name, or set url to a name that it lists", c.base.Hostname()))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return problem.Wrap(err, "the instance's certificate is not valid at this time", "renew the certificate, or correct the clock of this machine")
	case errors.As(err, &cert):
		return problem.Wrap(err, "the instance's certificate is not trusted", "set ca_file of the tls block to the PEM file of the authority that signed it")
	case errors.As(err, &s) && s.Location != "":
		return problem.Wrap(err, "the instance redirects elsewhere", "set url to the address it redirects to; credentials are not sent to another host")
	case errors.As(err, &s) && s.Status == http.StatusNotFound, errors.As(err, &reply):
		return problem.Wrap(err, "no Bitbucket found at the url", "check url, with its context path")
	default:
		return problem.Wrap(err, "the instance cannot be reached", "check url, and that Bitbucket is running and reachable from this machine")
	}
}

func loopback(h string) bool {
	ip := net.ParseIP(h)
	return h == "localhost" || ip != nil && ip.IsLoopback()
}
