package home

import (
	"fmt"
	"path/filepath"
	"strings"

	"bkp/providers"
)

// Config is what the blocks of all home strategies have in common. They embed
// it.
type Config struct {
	providers.Placed

	Path                string   `hcl:"path" help:"folder of the home, the one that holds shared/" example:"/var/atlassian/application-data/bitbucket"`
	DataStores          []string `hcl:"data_stores,optional" help:"folders of the data stores, in an order that stays"`
	ExcludeRepositories []int    `hcl:"exclude_repositories,optional" help:"ids of repositories to leave out"`
	Exclude             []string `hcl:"exclude,optional" help:"what else of the home to leave out, as paths from the home: /shared/data/x leaves out a file or a folder, /x/ a folder only, and * matches anything but a slash"`
	MaxMissing          int      `hcl:"max_missing,optional" help:"percent of the files or repositories of the last backup that may be gone; more is refused, as that is most likely a file system that is not mounted"`
	IncludeLogs         bool     `hcl:"include_logs,optional" help:"back up log/, too"`
	Owner               string   `hcl:"owner,optional" help:"who owns restored files: USER or USER:GROUP, by name or id" unset:"as it was when it was backed up"`

	// mesh is set for the home of a Mesh node: see NodeConfig.
	mesh bool
}

// Defaults are the values of attributes that are left out. Git may pack most of
// its files, so that only what is nearly all counts as gone.
func Defaults() Config { return Config{MaxMissing: 90} }

var _ providers.ConfigValidator = (*Config)(nil)

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	var out []providers.ConfigProblem
	add := func(attribute, summary, detail, remedy string) {
		out = append(out, providers.ConfigProblem{Attribute: attribute, Summary: summary, Detail: detail, Remedy: remedy})
	}
	roots := append([]string{c.Path}, c.DataStores...)
	for i, root := range roots {
		attribute := "data_stores"
		if i == 0 {
			attribute = "path"
		}
		if !filepath.IsAbs(root) {
			add(attribute, "path is not absolute", fmt.Sprintf("%q depends on where bkp is started", root), "use an absolute path, such as /data")
			continue
		}
		for _, other := range roots[:i] {
			if Within(root, other) || Within(other, root) {
				add(attribute, "folders overlap", fmt.Sprintf("one of %s and %s contains the other", root, other), "name the outer one only")
			}
		}
	}
	for _, id := range c.ExcludeRepositories {
		if id < 0 {
			add("exclude_repositories", "not the id of a repository", fmt.Sprintf("%d is negative", id), "give the number of its folder below repositories")
		}
	}
	for _, pattern := range c.Exclude {
		if why := patternProblem(pattern); why != "" {
			add("exclude", "not a pattern", fmt.Sprintf("%q: %s", pattern, why), "write a path from the home, such as /shared/data/exports/*.zip")
		}
	}
	if c.MaxMissing < 0 || c.MaxMissing > 100 {
		add("max_missing", "not a share", fmt.Sprintf("%d is not a percentage", c.MaxMissing), "give a number from 0 to 100; 100 disables the check")
	}
	if _, group, ok := strings.Cut(c.Owner, ":"); ok && group == "" || strings.HasPrefix(c.Owner, ":") {
		add("owner", "not an owner", fmt.Sprintf("%q is not an owner", c.Owner), "write USER or USER:GROUP")
	}
	return out
}

// Within reports whether path is folder or lies below it, by their names alone.
func Within(path, folder string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
