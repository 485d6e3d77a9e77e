package notify

import (
	"bkp/internal/post"
	"bkp/internal/secret"
	"bkp/providers"
)

// URLProblems find what is wrong with an address. They do not show its line, which
// may hold a secret.
func URLProblems(attribute string, address secret.String) []providers.ConfigProblem {
	detail := post.CheckURL(address)
	if detail == "" {
		return nil
	}
	return []providers.ConfigProblem{{
		Rests: []string{attribute}, Summary: "invalid URL", Detail: attribute + ": " + detail,
		Remedy: "give the whole address, such as https://notify.example.com/path",
	}}
}
