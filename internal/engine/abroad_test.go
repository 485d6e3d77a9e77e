package engine

import "testing"

func TestTheMachineOfARestoreIsTakenFromItsPlace(t *testing.T) {
	for place, want := range map[string][2]string{
		"":                                     {"", ""},
		"/srv/home":                            {"", "/srv/home"},
		"copy":                                 {"", "copy"},
		"connection":                           {"", "connection"},
		"connection.ssh.standby:/srv/home":     {"connection.ssh.standby", "/srv/home"},
		"connection.ssh.standby:copy":          {"connection.ssh.standby", "copy"},
		`connection.command.pod["a:b"]:/srv:x`: {`connection.command.pod["a:b"]`, "/srv:x"},
		"connections.d/home":                   {"", "connections.d/home"},
		"connection.d/home":                    {"", "connection.d/home"},
	} {
		if on, there := machineOf(place); on != want[0] || there != want[1] {
			t.Errorf("%q: %q, %q", place, on, there)
		}
	}
}

func TestAMachineAloneIsNoPlace(t *testing.T) {
	for place, want := range map[string]bool{
		"": false, "/srv/home": false, "connection.d": false, "connection.d/home": false, "connection.ssh.standby/home": false,
		"connection.ssh.standby:/srv/home": false, "connection.ssh.standby": true, "connection.ssh.standby:": true,
	} {
		if got := namesNoPlace(place); got != want {
			t.Errorf("%q: %v", place, got)
		}
	}
}
