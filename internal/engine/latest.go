package engine

import (
	"strings"

	"bkp/internal/problem"
	"bkp/internal/records/catalog"
	"bkp/providers"
)

// Latest is the newest backup of an instance that has the status. With "" there must
// be one instance alone: the newest of several could be that of the wrong one.
func (eng *Engine) Latest(instance string, status catalog.Status) (providers.BackupID, error) {
	var targets []string
	if instance != "" {
		targets = []string{instance}
	}
	instances, err := eng.Instances(targets)
	if err != nil {
		return "", err
	}
	if len(instances) > 1 {
		var names []string
		for _, i := range instances[:min(len(instances), mostKnown)] {
			names = append(names, "latest:"+i.Name)
		}
		return "", problem.Usage(problem.New("several instances", "latest does not name one of them", "write one of "+strings.Join(names, ", ")))
	}
	i := instances[0]
	entries, bad := eng.Catalog().List()
	for _, e := range entries {
		if e.Manifest.Of(i.Name, i.URL) && e.Status == status {
			return e.Manifest.ID, nil
		}
	}
	if len(bad) > 0 {
		return "", problem.Wrap(bad[0], "the catalog cannot be read", "run as the user that makes the backups")
	}
	return "", problem.New("no such backup", "there is no "+string(status)+" backup of "+i.Name+" on the list", "see what there is, in the archives too:\n\n    bkp list --refresh")
}
