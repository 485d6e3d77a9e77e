package cli

import (
	"strings"

	"bkp/internal/problem"
	"bkp/internal/records/catalog"
	"bkp/lang"
	"bkp/providers"
)

// latestWord stands for the newest backup, latest:INSTANCE for that of an instance.
const latestWord = "latest"

// isLatest reports whether an argument means the newest backup, and which instance it names,
// "" for the only one.
func isLatest(text string) (instance string, ok bool) {
	word, instance, _ := strings.Cut(text, ":")
	return instance, word == latestWord
}

// completeID is the backup that an argument names: an id, or the newest complete one.
func (s *session) completeID(text string) (providers.BackupID, error) {
	return s.backupID(text, catalog.Complete)
}

// unfinishedID is completeID for commands about backups that are not stored yet.
func (s *session) unfinishedID(text string) (providers.BackupID, error) {
	return s.backupID(text, catalog.Captured)
}

func (s *session) backupID(text string, status catalog.Status) (providers.BackupID, error) {
	instance, latest := isLatest(text)
	if !latest {
		id, err := providers.ParseBackupID(text)
		if err != nil {
			return "", problem.Usage(problem.New("invalid backup id", err.Error(), "list the backups:\n\n    bkp list\n\nor write latest, or latest:INSTANCE, for the newest one"))
		}
		return id, nil
	}
	if err := s.loadQuietly(); err != nil {
		return "", err
	}
	id, err := s.engine().Latest(instance, status)
	if err != nil {
		return "", err
	}
	if !s.JSON { // what reads JSON expects what the command prints
		s.say("%s is %s", text, id)
	}
	return id, nil
}

// loadQuietly reads what finding a backup takes: the state folder, and the instances.
// The command reads the configuration again by itself, and shows its diagnostics.
func (s *session) loadQuietly() error {
	s.offline, s.unset = true, true
	config, diags := s.read()
	s.offline, s.unset = false, false
	known := func(i *lang.Instance) bool {
		for _, name := range config.Open()[i.Address] {
			if name == "url" {
				return false
			}
		}
		return true
	}
	if diags.HasErrors() || !config.StateDirKnown() {
		return s.load()
	}
	for _, i := range config.Instances {
		if !known(i) {
			return s.load()
		}
	}
	s.config = config
	return nil
}
