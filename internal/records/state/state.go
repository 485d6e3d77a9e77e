// Package state says where things lie in the state folder that more than one
// package has to find.
//
// It leaves out what is written there: journal, catalog and the strategies know.
package state

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"regexp"
)

var unsafeInName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// Work is the folder for the working copy of a component. An instance is its name
// and its base URL: environments that share a configuration and a state folder
// have the same names, and must not take each other's copy for their own.
func Work(stateDir, instance, url, address string) string {
	sum := sha256.Sum256([]byte(instance + "\x00" + url))
	return filepath.Join(stateDir, "work", safe(instance)+"-"+hex.EncodeToString(sum[:4]), safe(address))
}

func safe(name string) string { return unsafeInName.ReplaceAllString(name, "_") }
