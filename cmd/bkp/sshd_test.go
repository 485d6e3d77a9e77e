package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdSSHD starts an sshd of its own on 127.0.0.2, which runs commands as root, and
// sets SSH_PORT, SSH_KEY, KNOWN_HOSTS and WRONG_HOSTS, which has another key for it.
// What its accounts run goes through the words given, if there are any.
func cmdSSHD(ts *testscript.TestScript, neg bool, args []string) {
	sshd := "/usr/sbin/sshd"
	if _, err := os.Stat(sshd); err != nil {
		ts.Fatalf("%v; install it: make deps", err)
	}
	dir, err := os.MkdirTemp("", "bkp-script-sshd")
	ts.Check(err)
	ts.Defer(func() { _ = os.RemoveAll(dir) })
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"host", "other", "key"} {
		ts.Check(exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", at(name)).Run())
	}
	l, err := net.Listen("tcp", "127.0.0.2:0")
	ts.Check(err)
	port := l.Addr().(*net.TCPAddr).Port
	ts.Check(l.Close())
	public, err := os.ReadFile(at("key.pub"))
	ts.Check(err)
	ts.Check(os.WriteFile(at("authorized"), public, 0o600))
	for name, key := range map[string]string{"known": "host.pub", "wrong": "other.pub"} {
		text, err := os.ReadFile(at(key))
		ts.Check(err)
		ts.Check(os.WriteFile(at(name), []byte(fmt.Sprintf("[127.0.0.2]:%d %s", port, text)), 0o600))
	}
	config := fmt.Sprintf("ListenAddress 127.0.0.2:%d\nHostKey %s\nAuthorizedKeysFile %s\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nPidFile none\n",
		port, at("host"), at("authorized"))
	if len(args) > 0 {
		config += "ForceCommand " + args[0] + "\n"
	}
	ts.Check(os.WriteFile(at("config"), []byte(config), 0o600))
	ts.Check(os.MkdirAll("/run/sshd", 0o755))
	server := exec.Command(sshd, "-D", "-e", "-f", at("config"))
	log, err := os.Create(at("log"))
	ts.Check(err)
	server.Stderr = log
	ts.Check(server.Start())
	ts.Defer(func() { _ = server.Process.Kill(); _ = server.Wait(); _ = log.Close() })
	until(ts, func() bool {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.2:%d", port))
		if err != nil {
			return false
		}
		return c.Close() == nil
	})
	ts.Setenv("SSH_PORT", fmt.Sprint(port))
	ts.Setenv("SSH_KEY", at("key"))
	ts.Setenv("KNOWN_HOSTS", at("known"))
	ts.Setenv("WRONG_HOSTS", at("wrong"))
}
