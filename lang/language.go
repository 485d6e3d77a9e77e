package lang

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"bkp/providers"
)

var forEachAttribute = Attribute{
	Name: forEachName, Type: "map(any) or set(string)", Optional: true, Unset: "the block stands for one thing",
	Help: "makes a block of each element, which is each.key and each.value in it",
}

// language is every block that there is. It is what the decoder takes, and
// what the reference shows.
var language = []Block{
	{
		Name: rootSettings, Summary: "settings of bkp itself; at most one in a folder",
		Attributes: append(documented(settingsSchema), Attribute{
			Name: "required_version", Type: "string", Optional: true, Unset: "any version will do",
			Help: `constraint on the version of bkp, such as ">= 0.1, < 2.0"; a constant`,
		}),
		Example: `bkp {
  required_version = ">= 0.1"
  state_dir        = "/var/lib/bkp"
}
`,
	},
	{
		Name: "variable", Labels: []string{"name"}, Summary: "a value that is given from outside; expressions use it as var.NAME",
		Details: fmt.Sprintf("A value comes from the environment variable %sNAME, the files %s, %s, *%s and *%s, or --var and --var-file on the command line; of several the last one counts.",
			envPrefix, varsName, varsJSONName, autoExt, autoJSONExt),
		Attributes: []Attribute{
			{Name: "type", Type: "type constraint", Optional: true, Unset: "any type", Help: "such as string, number, bool, list(string) or object({ url = string })"},
			{Name: "default", Type: "any", Optional: true, Unset: "a value must be given", Help: "value if none is given; a constant"},
			{Name: "description", Type: "string", Optional: true, Unset: "none", Help: "what the variable is for, for people"},
			{Name: "sensitive", Type: "bool", Optional: true, Default: "false", Help: "only attributes that hold secrets take the value, and nothing shows it"},
			{Name: "nullable", Type: "bool", Optional: true, Default: "true", Help: "the value may be null; otherwise null means the default"},
		},
		Blocks: []Block{{
			Name: "validation", Repeatable: true, Summary: "a rule for the value; it may refer to other values too",
			Attributes: assertionAttributes(),
		}},
		Example: `variable "keep" {
  type        = number
  default     = 7
  description = "number of backups to keep"

  validation {
    condition     = var.keep >= 7
    error_message = "Keep at least a week of nightly backups."
  }
}
`,
	},
	{
		Name: "locals", Summary: "values with a name; expressions use them as local.NAME", AnyAttribute: true,
		Details: "It may stand more than once, and takes attributes of any name.",
		Example: `locals {
  backups = "/backup"
}
`,
	},
	{
		Name: rootInstance, Labels: []string{"name"}, Summary: "one Bitbucket Data Center deployment, with what is to be backed up of it and where to",
		Attributes: slices.Concat(documented(instanceSchema), instanceLinks(), []Attribute{forEachAttribute}),
		Blocks: []Block{
			{Name: "lock", Summary: "bounds of the lock window, the time in which users are locked out", Attributes: documented(lockSchema)},
			{Name: "drill", Summary: "how often a restore is to be proven", Attributes: documented(drillSchema)},
		},
		Example: `instance "prod" {
  url       = "https://bitbucket.example.com"
  username  = "backup"
  password  = env("BITBUCKET_BACKUP_PASSWORD")
  home      = home.mirror.main
  database  = database.postgresql.main
  archives  = [archive.tar.main]
  retention = retention.standard

  lock {
    budget = "10m"
  }
}
`,
	},
	{Name: string(providers.KindHome), Labels: strategyLabels(), Summary: "how the home, with the repositories in it, is captured"},
	{Name: string(providers.KindDatabase), Labels: strategyLabels(), Summary: "how the database is captured"},
	{Name: string(providers.KindArchive), Labels: strategyLabels(), Summary: "where backups are kept"},
	{
		Name: rootRetention, Labels: []string{"name"}, Summary: "which backups are kept; the others are deleted after a good run",
		Attributes: append(documented(retentionSchema), forEachAttribute),
		Example: `retention "standard" {
  keep_last = 7
}
`,
	},
	{
		Name: rootCheck, Labels: []string{"name"}, Summary: "rules of a team over its own configuration, judged by bkp validate and bkp plan",
		Attributes: []Attribute{forEachAttribute},
		Blocks: []Block{{
			Name: "assert", Repeatable: true, Summary: "one rule",
			Details: fmt.Sprintf("It sees blocks as objects with their attributes, address and name, and those that have one with their strategy; and all blocks of a kind as the lists bkp.%s.",
				strings.Join(slices.Sorted(maps.Keys(lists)), ", bkp.")),
			Attributes: append(assertionAttributes(), Attribute{
				Name: severityName, Type: "string", Optional: true, Default: `"error"`, Help: "error or warning; a constant",
			}),
		}},
		Example: `check "retention" {
  assert {
    condition     = alltrue([for i in bkp.instances : i.retention != null])
    error_message = "Every instance needs a retention."
  }
}
`,
	},
}

func assertionAttributes() []Attribute {
	return []Attribute{
		{Name: conditionName, Type: "bool", Help: "true when all is well"},
		{Name: errorMessageName, Type: "string", Help: "what is wrong otherwise, and what to do about it"},
	}
}

func strategyLabels() []string { return []string{"strategy", "name"} }

func instanceLinks() []Attribute {
	var out []Attribute
	for _, r := range instanceReferences {
		typ := "reference to " + articled(r.root)
		if r.many {
			typ = "list of references to " + r.root + " blocks"
		}
		out = append(out, Attribute{Name: r.name, Type: typ, Help: r.help, Optional: r.optional, Unset: r.unset})
	}
	return out
}
