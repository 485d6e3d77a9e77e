package restic

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"bkp/internal/secret"
	"bkp/providers"
)

// Config is the block archive "restic".
type Config struct {
	providers.Retained

	Repository  string            `hcl:"repository" help:"where the repository is, as restic has it: a folder, or an address that begins with sftp:, rest:, s3:, azure:, gs:, b2:, swift: or rclone:" example:"s3:https://s3.example.com/bitbucket"`
	Password    secret.String     `hcl:"password" help:"password of the repository; without it nothing can ever be restored" example:"RESTIC_PASSWORD"`
	Environment map[string]string `hcl:"environment,optional" help:"variables for restic, besides the few that every tool gets: AWS_REGION, for example"`
	Options     map[string]string `hcl:"options,optional" help:"extended options of restic, such as s3.bucket-lookup"`
	Host        string            `hcl:"host,optional" help:"host of the snapshots, always the same, whatever machine makes them" unset:"the name of the instance"`
	Init        bool              `hcl:"init,optional" help:"make the repository if it does not exist; without it, a wrong address is an error"`
	Compression string            `hcl:"compression,optional" help:"auto, off or max"`
	PackSize    int               `hcl:"pack_size,optional" help:"size of the repository's files in MiB, from 4 to 128" unset:"restic's own"`
	ReadShare   int               `hcl:"read_share,optional" help:"how many verifications it takes to read all of the repository's data once: 1 reads all each time"`
	Binary      string            `hcl:"binary,optional" help:"restic's program, 0.17 or newer" unset:"restic on PATH"`
	CacheDir    string            `hcl:"cache_dir,optional" help:"folder of restic's cache, which may be removed at any time" unset:"a folder below the state folder"`

	Secrets []Secret `hcl:"secret,block" help:"a secret variable for restic, such as AWS_SECRET_ACCESS_KEY"`
	Prune   Prune    `hcl:"prune,block" help:"how bkp prune gives back the space of what was removed"`
}

// Secret is a variable whose value nobody may see.
type Secret struct {
	Name  string        `hcl:"name" help:"name of the variable" example:"AWS_SECRET_ACCESS_KEY"`
	Value secret.String `hcl:"value" help:"its value" example:"AWS_SECRET_ACCESS_KEY"`
}

// Prune bounds what the removal of unused data may take. What is left is for the
// next time.
type Prune struct {
	MaxRepack string        `hcl:"max_repack,optional" help:"how much data is written again at most, such as 500M or 50G"`
	MaxUnused string        `hcl:"max_unused,optional" help:"how much unused data may stay, such as 5% or 10G"`
	Deadline  time.Duration `hcl:"deadline,optional" help:"how long it may take; the repository is locked meanwhile, and no backup can be stored"`
}

func defaults() Config {
	return Config{Compression: "auto", ReadShare: 7, Prune: Prune{MaxRepack: "50G", MaxUnused: "5%", Deadline: 2 * time.Hour}}
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Archives, "restic", "a repository of restic: encrypted, and each backup takes the space of what changed", defaults(),
		func(cfg Config, env providers.Env) (providers.Archiver, error) { return newArchive(cfg, env), nil },
		providers.Configured(func(cfg Config) []providers.Option {
			if !cfg.worksThere() {
				return nil
			}
			return []providers.Option{providers.StoresThere()}
		}))
}

var (
	variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	size     = regexp.MustCompile(`^[0-9]+[KMGT]?$`)
	limit    = regexp.MustCompile(`^([0-9]+[KMGT]?|[0-9]+(\.[0-9]+)?%|unlimited)$`)
	// backends are those of restic, by what their addresses begin with.
	backends = []string{"local", "sftp", "rest", "s3", "azure", "gs", "b2", "swift", "rclone"}
)

const (
	minPack, maxPack = 4, 128
	maxShare         = 1000
)

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	var out []providers.ConfigProblem
	add := func(attribute, summary, detail, remedy string) {
		out = append(out, providers.ConfigProblem{Attribute: attribute, Summary: summary, Detail: detail, Remedy: remedy})
	}
	c.validateRepository(add)
	if p := c.Password.Reveal(); strings.ContainsAny(p, "\n\r\x00") || c.Password.IsSet() && p == "" {
		add("password", "invalid password", "it is empty, or holds the end of a line", "check whether its file has exactly one line")
	}
	if !slices.Contains([]string{"auto", "off", "max"}, c.Compression) {
		add("compression", "unknown compression", fmt.Sprintf("restic has no compression %q", c.Compression), `give one of "auto", "off" and "max"`)
	}
	if c.PackSize != 0 && (c.PackSize < minPack || c.PackSize > maxPack) {
		add("pack_size", "invalid pack size", fmt.Sprintf("restic makes no files of %d MiB", c.PackSize), fmt.Sprintf("give a number from %d to %d, or leave it out", minPack, maxPack))
	}
	if c.ReadShare < 1 || c.ReadShare > maxShare {
		add("read_share", "invalid share", fmt.Sprintf("data cannot be read in %d verifications", c.ReadShare), fmt.Sprintf("give a number from 1 to %d", maxShare))
	}
	if strings.ContainsAny(c.Host, "\x00\n") {
		add("host", "invalid host", "it holds a character that no name has", "give a name")
	}
	c.validateVariables(add)
	c.validatePrune(add)
	return out
}

func (c *Config) validateRepository(add func(attribute, summary, detail, remedy string)) {
	kind, rest, known := c.backend()
	switch {
	case c.Repository == "" || rest == "":
		add("repository", "value missing", "repository names no place", "name a folder, or an address such as s3:https://HOST/BUCKET")
	case strings.ContainsAny(c.Repository, "\x00\n"):
		add("repository", "invalid value", "repository holds a character that no address has", "remove it")
	case !known:
		add("repository", "unknown back end", fmt.Sprintf("restic has no back end %q", kind), "begin a folder with /, and anything else with one of "+strings.Join(backends, ":, ")+":")
	case kind == "local" && !filepath.IsAbs(rest):
		add("repository", "path is not absolute", fmt.Sprintf("%q depends on where bkp is started", rest), "begin it with /")
	}
}

// backend takes the address of the repository apart, as restic does: what begins
// with no word and a colon is a folder.
func (c *Config) backend() (kind, rest string, known bool) {
	kind, rest, ok := strings.Cut(c.Repository, ":")
	if !ok || filepath.IsAbs(c.Repository) || strings.ContainsAny(kind, `/\`) {
		return "local", c.Repository, true
	}
	return kind, rest, slices.Contains(backends, kind)
}

// ours are variables that bkp sets itself.
var ours = []string{"RESTIC_REPOSITORY", "RESTIC_PASSWORD", "RESTIC_PASSWORD_FILE", "RESTIC_PASSWORD_COMMAND", "RESTIC_REPOSITORY_FILE", "RESTIC_CACHE_DIR", "RESTIC_PROGRESS_FPS"}

func (c *Config) validateVariables(add func(attribute, summary, detail, remedy string)) {
	seen := map[string]bool{}
	check := func(attribute, name string) {
		switch {
		case !variable.MatchString(name):
			add(attribute, "invalid name of a variable", fmt.Sprintf("%q cannot be the name of a variable", name), "use letters, digits and _")
		case slices.Contains(ours, name):
			add(attribute, "variable is set by bkp", name+" follows from the other attributes", "set the attribute instead")
		case seen[name]:
			add(attribute, "variable is set twice", name+" has two values", "keep one of them")
		}
		seen[name] = true
	}
	for name := range c.Environment {
		check("environment", name)
	}
	for _, s := range c.Secrets {
		check("secret", s.Name)
	}
}

func (c *Config) validatePrune(add func(attribute, summary, detail, remedy string)) {
	if !size.MatchString(c.Prune.MaxRepack) {
		add("prune.max_repack", "invalid size", fmt.Sprintf("%q is no size", c.Prune.MaxRepack), "give a number with K, M, G or T, such as 50G")
	}
	if !limit.MatchString(c.Prune.MaxUnused) {
		add("prune.max_unused", "invalid limit", fmt.Sprintf("%q is no limit", c.Prune.MaxUnused), "give a share such as 5%, or a size such as 10G")
	}
	if c.Prune.Deadline <= 0 {
		add("prune.deadline", "invalid duration", fmt.Sprintf("nothing can be done in %s", c.Prune.Deadline), "give a duration such as 2h")
	}
}
