package lang

// What users of Terraform write, and bkp does not have, with what it has
// instead.

var terraformBlocks = map[string]string{
	"backend":            "bkp keeps its records in the folder that state_dir of the bkp block names.",
	"cloud":              "bkp runs on the machine that makes the backup; remove the block.",
	"data":               "Read what is outside with env, file or properties.",
	"dynamic":            "Write the attribute with a for expression, as in [for x in list : x].",
	"ephemeral":          "Secrets are read by env and file whenever they are needed; remove the block.",
	"import":             "Nothing has to be imported: declare what exists.",
	"lifecycle":          "bkp creates nothing that would have a life cycle; rules for the configuration belong in check blocks.",
	"module":             `Put the blocks into this folder; use for_each for several alike, and --chdir for another folder.`,
	"moved":              "Rename the block: the backups made before are kept.",
	"output":             "bkp has no outputs; bkp show and bkp list print the backups, also with --json.",
	"provider":           "Remove it: strategies are built in, and take their settings themselves, as in KIND \"STRATEGY\" \"NAME\" { … }.",
	"provisioner":        "bkp runs no commands of the configuration; remove the block.",
	"connection":         "bkp runs on the machine that makes the backup; remove the block.",
	"removed":            "Remove the block that it names; the backups made before are kept.",
	"required_providers": "Strategies are built in: remove the block.",
	"resource":           "Write the kind itself, as in KIND \"STRATEGY\" \"NAME\" { … }; bkp providers lists all of them.",
	"terraform":          "Write bkp { … } for required_version.",
	"precondition":       "Write rules as assert in a check block, or as validation in a variable.",
	"postcondition":      "Write rules as assert in a check block, or as validation in a variable.",
}

var terraformAttributes = map[string]string{
	"count":      `Use for_each, such as for_each = toset(["a", "b"]).`,
	"depends_on": "Remove it: bkp finds the order by itself, from references and from how a backup goes.",
	"provider":   "Remove it: strategies are built in.",
	"source":     "Remove it: bkp has no modules, and reads all files of a folder.",
	"ephemeral":  "Use sensitive = true to keep the value out of what bkp prints and saves.",
	"deprecated": "Write it into description.",
	"required":   "A variable without a default must be given a value; remove this.",
	"optional":   "A variable with a default is optional; remove this.",
	"sensitive":  "Remove it: attributes that take secrets are known, and sensitive = true belongs in variable blocks.",
}

var terraformRoots = map[string]string{
	"count":     "Use for_each in the block, and each.key.",
	"data":      "Read what is outside with env, file or properties.",
	"ephemeral": "Read secrets with env or file.",
	"module":    "bkp has no modules; put the value into locals, or into a variable.",
	"output":    "Put the value into locals, and refer to it as local.NAME.",
	"path":      "Write paths relative to the configuration's folder, without path.module.",
	"resource":  "Refer to a block by its kind, strategy and name, such as KIND.STRATEGY.NAME.",
	"self":      "Put the value into locals, and refer to it in both places.",
	"terraform": "Use a variable for what differs by environment, and a file of values for each.",
}

// terraformFunctions has functions of other languages, too.
var terraformFunctions = map[string]string{
	"abspath":        "Write the path in full; relative ones start in the configuration's folder.",
	"defaults":       "Use optional(TYPE, DEFAULT) in the variable's type.",
	"filebase64":     "Only text can be a value; encode the file before, and read it with base64decode(file(\"…\")).",
	"fileexists":     "Use can(file(\"…\")).",
	"filemd5":        "Use sha256(file(\"…\")).",
	"fileset":        "List the files in the configuration, such as toset([\"a\", \"b\"]).",
	"filesha256":     "Use sha256(file(\"…\")).",
	"get_env":        "Use env(\"NAME\").",
	"getenv":         "Use env(\"NAME\").",
	"if":             "Write a condition as test ? one : other.",
	"len":            "Use length.",
	"list":           "Write the list in brackets, such as [\"a\", \"b\"].",
	"map":            "Write the map in braces, such as { a = \"b\" }.",
	"matchkeys":      "Use a for expression with if, such as [for k in list : k if contains(wanted, k)].",
	"md5":            "Use sha256.",
	"pathexpand":     "Write the path in full, or as \"${env(\"HOME\")}/…\".",
	"plantimestamp":  "A configuration does not depend on the time; every backup has its time in its id.",
	"run_cmd":        "bkp runs no commands of the configuration; give the value with env or file.",
	"sha1":           "Use sha256.",
	"sha512":         "Use sha256.",
	"templatestring": "Use templatefile, or a template in quotes, such as \"${var.name}\".",
	"timestamp":      "A configuration does not depend on the time; every backup has its time in its id.",
	"uuid":           "A configuration must be the same each time; every backup has an id of its own.",
	"yamldecode":     "Use jsondecode, or a file of values for variables.",
	"yamlencode":     "Use jsonencode.",
}
