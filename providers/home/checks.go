package home

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"bkp/internal/filemeta"
	"bkp/internal/javaprops"
	"bkp/internal/problem"
)

// integrityChecks is the property with which Bitbucket compares, at its next start,
// what the database says of pull requests and repositories with the home, and
// repairs what differs (Atlassian, "Running integrity checks").
const integrityChecks = "disaster.recovery"

// propertiesFile is where it stands, in the shared home.
const propertiesFile = "bitbucket.properties"

// checksAhead says what a home is restored with that was captured while users
// worked.
func checksAhead(target string) *problem.Problem {
	return problem.Warn("Bitbucket checks its integrity at the next start",
		"the backup was made while users worked, so that home and database may differ by what happened during the capture; the restore sets "+integrityChecks+"=true in "+propertiesFile+" of "+target,
		"start Bitbucket and follow the checks in atlassian-bitbucket.log; when they have ended, remove the line: otherwise they run at every start")
}

// askForChecks sets the property in a home that is about to be put in its place.
func askForChecks(home part) error {
	root, err := home.in.OpenRoot(home.name)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	dir := "."
	if fi, err := root.Stat("shared"); err == nil && fi.IsDir() {
		dir = "shared"
	}
	name := path.Join(dir, propertiesFile)
	text, err := root.ReadFile(name)
	isNew := errors.Is(err, fs.ErrNotExist)
	if err == nil || isNew {
		err = root.WriteFile(name, javaprops.Set(text, integrityChecks, "true"), 0o600)
	}
	if err == nil && isNew {
		err = ownAs(root, name, dir)
	}
	if err != nil {
		return problem.Wrap(err, "properties cannot be changed", fmt.Sprintf("restore elsewhere with --home, and add %s=true to %s there yourself", integrityChecks, propertiesFile))
	}
	return nil
}

// ownAs gives a new file to whom its folder belongs: Bitbucket must be able to read
// it.
func ownAs(root *os.Root, name, dir string) error {
	if os.Geteuid() > 0 {
		return nil
	}
	f, err := root.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	m, err := filemeta.ReadFile(f)
	if err != nil {
		return err
	}
	return root.Lchown(name, int(m.UID), int(m.GID))
}
