// Package funcs has the functions of the language: cty's standard library
// under Terraform's names, and those of bkp that read the surroundings (env,
// file, properties).
//
// It leaves out what an expression refers to and how values are decoded
// (lang).
package funcs
