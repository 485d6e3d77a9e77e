package connection

import (
	"fmt"
	"strings"

	"bkp/internal/problem"
	"bkp/providers"
)

// Sudo explains why sudo did not run anything; nil if it is not to blame. user is
// who logs in there, "" if it is not known.
func Sudo(err error, machine, user string) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "sudo: a password is required"), strings.Contains(text, "sudo: a terminal is required"), strings.Contains(text, "is not in the sudoers"):
	case strings.Contains(text, "sudo: not found"), strings.Contains(text, "sudo: command not found"):
		return problem.Wrapf(err, "there is no sudo on the other machine", "install it there, or log in as root and set sudo = false", "%s", machine)
	default:
		return nil
	}
	if user == "" {
		user = "USER"
	}
	return problem.Wrapf(err, "sudo on the other machine asks for a password",
		fmt.Sprintf("add this line there, with visudo -f /etc/sudoers.d/bkp:\n\n    %s ALL=(root) NOPASSWD: /bin/sh\n", user), "%s", machine)
}

// Unreachable is for what nothing else explains.
func Unreachable(err error, c providers.Connection, try string) error {
	return problem.Wrapf(err, "the other machine cannot be reached", "try it by hand, as the user that runs bkp:\n\n    "+try+"\n", "%s", c.Machine())
}
