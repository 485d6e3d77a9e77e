package lang

import (
	"fmt"

	"bkp/providers"
)

var forEachAttribute = Attribute{
	Name: forEachName, Type: "map(any) or set(string)", Optional: true, Unset: "the block stands for one thing",
	Help: "makes a block of each element, which is each.key and each.value in it",
}

// The schemas of bkp's own blocks that are decoded into structs, as those of
// the strategies are.
var (
	settingsSchema  = providers.SchemaOf(settings{})
	instanceSchema  = providers.SchemaOf(defaultInstance)
	retentionSchema = providers.SchemaOf(defaultRetention)
)

// ownBlocks are the blocks of the top level that have no strategies. What
// depends on these is filled in by grammar.language.
func ownBlocks() []Block {
	return []Block{settingsBlock(), variableBlock(), localsBlock(), instanceBlock(), retentionBlock(), checkBlock()}
}

func settingsBlock() Block {
	return Block{
		Name: rootSettings, Summary: "settings of bkp itself; at most one in a folder",
		Attributes: append(documentedBody(settingsSchema).Attributes, Attribute{
			Name: "required_version", Type: "string", Optional: true, Unset: "any version",
			Help: `constraint on the version of bkp, such as ">= 0.1, < 2.0"; a constant`,
		}),
		Example: `bkp {
  required_version = ">= 0.1"
  state_dir        = "/var/lib/bkp"
}
`,
	}
}

func variableBlock() Block {
	return Block{
		Name: "variable", Labels: []string{"name"}, Summary: "a value that is given from outside; expressions use it as var.NAME",
		Details: fmt.Sprintf("A value comes from the environment variable %sNAME, the files %s, %s, *%s and *%s, or --var and --var-file on the command line; a later one overrides an earlier one.",
			envPrefix, varsName, varsJSONName, autoExt, autoJSONExt),
		Attributes: []Attribute{
			{Name: "type", Type: "type constraint", Optional: true, Unset: "any type", Help: "such as string, number, bool, list(string) or object({ url = string })"},
			{Name: "default", Type: "any", Optional: true, Unset: "a value must be given", Help: "value if none is given; a constant"},
			{Name: "description", Type: "string", Optional: true, Unset: "no description", Help: "what the variable is for, for people"},
			{Name: "sensitive", Type: "bool", Optional: true, Default: "false", Help: "only attributes that hold secrets take the value, and nothing shows it"},
			{Name: "nullable", Type: "bool", Optional: true, Default: "true", Help: "the value may be null; otherwise null means the default"},
		},
		Blocks: []Block{validationBlock()},
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
	}
}

func validationBlock() Block {
	return Block{
		Name: "validation", Repeatable: true, Summary: "a rule for the value; it may refer to other values too",
		Attributes: assertionAttributes(),
	}
}

func localsBlock() Block {
	return Block{
		Name: "locals", Summary: "values with a name; expressions use them as local.NAME", AnyAttribute: true,
		Details: "It may be repeated, and takes attributes of any name.",
		Example: `locals {
  backups = "/backup"
}
`,
	}
}

func instanceBlock() Block {
	b := documentedBody(instanceSchema)
	b.Name, b.Labels = rootInstance, []string{"name"}
	b.Summary = "one Bitbucket Data Center deployment, with what to back up and where to"
	b.Attributes = append(b.Attributes, forEachAttribute)
	return b
}

func retentionBlock() Block {
	b := documentedBody(retentionSchema)
	b.Name, b.Labels = rootRetention, []string{"name"}
	b.Summary = "which backups are kept; the others are deleted after a successful run"
	b.Attributes = append(b.Attributes, forEachAttribute)
	b.Example = `retention "` + exampleRetention + `" {
  keep_last = 7
}
`
	return b
}

func checkBlock() Block {
	return Block{
		Name: rootCheck, Labels: []string{"name"}, Summary: "rules of a team for its own configuration, evaluated by bkp validate and bkp plan",
		Attributes: []Attribute{forEachAttribute},
		Blocks:     []Block{assertBlock()},
		Example: `check "retention" {
  assert {
    condition     = alltrue([for i in bkp.instances : i.retention != null])
    error_message = "Every instance needs a retention."
  }
}
`,
	}
}

func assertBlock() Block {
	return Block{
		Name: "assert", Repeatable: true, Summary: "one rule",
		Attributes: append(assertionAttributes(), Attribute{
			Name: severityName, Type: "string", Optional: true, Default: `"error"`, Help: "error or warning; a constant",
		}),
	}
}

func assertionAttributes() []Attribute {
	return []Attribute{
		{Name: conditionName, Type: "bool", Help: "true when the rule holds"},
		{Name: errorMessageName, Type: "string", Help: "what is wrong if it does not hold, and what to do about it"},
	}
}
