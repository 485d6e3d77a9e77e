package elasticsearch

import (
	"strings"

	"bkp/internal/secret"
	"bkp/providers"
)

// Address is where the search server is.
type Address struct {
	URL string `hcl:"url,optional" help:"address of the search server, Elasticsearch or OpenSearch" unset:"plugin.search.config.baseurl of the home's bitbucket.properties, or PLUGIN_SEARCH_CONFIG_BASEURL" example:"https://search.example.com:9200"`
}

// Login is the address with a user of the server.
type Login struct {
	Address
	Username string        `hcl:"username,optional" help:"user of the search server" unset:"plugin.search.config.username, or PLUGIN_SEARCH_CONFIG_USERNAME, where the url is from" example:"bkp"`
	Password secret.String `hcl:"password,optional" help:"password of that user" unset:"plugin.search.config.password, or PLUGIN_SEARCH_CONFIG_PASSWORD, where the url is from" example:"BKP_ELASTICSEARCH_PASSWORD"`
}

// Config is what the blocks of the kind have in common.
type Config struct {
	Index      string `hcl:"index,optional" help:"pattern of the names of Bitbucket's indices; everything that it matches is captured and restored together"`
	Repository string `hcl:"repository,optional" help:"snapshot repository of the search server, in which the snapshots are kept"`
	Register   bool   `hcl:"register,optional" help:"register the repository with the search server if it is not"`
	Required   bool   `hcl:"required,optional" help:"fail the backup if the index cannot be captured; otherwise it is left out with a warning, and Bitbucket builds it anew after a restore"`
	Rebuild    bool   `hcl:"rebuild,optional" help:"restore no index, and say how Bitbucket builds it anew"`
	TLS        TLS    `hcl:"tls,block" help:"how the server's certificate is verified"`
}

// TLS says how the certificate of the search server is verified.
type TLS struct {
	CAFile string `hcl:"ca_file,optional" help:"PEM file of the authority that signed the server's certificate" unset:"the system's authorities"`
}

// Defaults are the values of attributes that are not set.
func Defaults() Config {
	return Config{Index: "bitbucket-*", Repository: "bitbucket-snapshots", Required: true}
}

// Validate finds what is wrong with what the blocks have in common.
func (c *Config) Validate() []providers.ConfigProblem {
	var out []providers.ConfigProblem
	add := func(attribute, summary, detail, remedy string) {
		out = append(out, providers.ConfigProblem{Attribute: attribute, Summary: summary, Detail: detail, Remedy: remedy})
	}
	switch {
	case strings.Trim(c.Index, "*") == "" || c.Index == "_all":
		add("index", "Pattern takes every index", "The index is "+c.Index+", which matches indices of others, too.", "Write the prefix of Bitbucket's indices, such as bitbucket-*.")
	case strings.ContainsAny(c.Index, ", /\\?\"<>|#") || strings.HasPrefix(c.Index, "-"):
		add("index", "Pattern of indices is not one", "The index is "+c.Index+".", "Write one pattern, such as bitbucket-*.")
	}
	if c.Repository == "" || strings.ContainsAny(c.Repository, "*,/\\ ") {
		add("repository", "Name of the repository is wrong", "The repository is \""+c.Repository+"\".", "Write the name of one repository, such as bitbucket-snapshots.")
	}
	return out
}

// Need is an attribute without which a repository cannot be registered.
type Need struct{ Name, Value string }

// ValidatePlace finds what is missing of a repository that is to be registered.
func (c *Config) ValidatePlace(needs ...Need) []providers.ConfigProblem {
	names, rests, missing := []string{}, []string{"register"}, false
	for _, n := range needs {
		names, rests, missing = append(names, n.Name), append(rests, n.Name), missing || n.Value == ""
	}
	if !c.Register || !missing {
		return nil
	}
	list := strings.Join(names, " and ")
	return []providers.ConfigProblem{{Attribute: names[0], Rests: rests, Summary: "Repository without a place",
		Detail: "The repository is to be registered, which takes " + list + ".", Remedy: "Set " + list + ", or remove register."}}
}

// Validate finds what is wrong with the credentials.
func (l *Login) Validate() []providers.ConfigProblem {
	problem := func(attribute, detail string) []providers.ConfigProblem {
		return []providers.ConfigProblem{{Attribute: attribute, Rests: []string{"username", "password"}, Summary: "Missing credentials", Detail: detail, Remedy: "Set both, or none."}}
	}
	switch {
	case l.Password.IsSet() && l.Username == "":
		return problem("password", "There is a password, but no username.")
	case l.Username != "" && !l.Password.IsSet():
		return problem("username", "There is a username, but no password.")
	}
	return nil
}
