package elasticsearch

import (
	"bkp/internal/problem"
	"bkp/internal/secret"
	"bkp/providers/elasticsearch/internal/api"
	"bkp/providers/internal/settings"
)

// The names of Bitbucket's own settings.
const (
	propertyURL      = "plugin.search.config.baseurl"
	propertyUsername = "plugin.search.config.username"
	propertyPassword = "plugin.search.config.password" //nolint:gosec // the name of a setting
)

// access is how the server is reached: as the block says, or as Bitbucket does.
func (x *Index) access() (api.Config, error) {
	out := api.Config{URL: x.login.URL, Username: x.login.Username, Password: x.login.Password, CAFile: x.cfg.TLS.CAFile, Sign: x.store.Sign}
	if out.URL != "" {
		return out, nil
	}
	setting, err := x.settings()
	if err != nil {
		return out, err
	}
	if out.URL = setting.Get(propertyURL); out.URL == "" {
		return out, problem.New("address of the search server is unknown", "the elasticsearch block has no url, and neither the home's bitbucket.properties nor the environment has "+propertyURL,
			`set it: url = "https://search.example.com:9200"`)
	}
	if out.Username != "" || out.Sign != nil {
		return out, nil
	}
	out.Username = setting.Get(propertyUsername)
	password := setting.Get(propertyPassword)
	if settings.IsSealed(password) {
		return out, problem.New("password of the search server is encrypted", "bitbucket.properties holds it as Bitbucket's secret store has it", "set username and password in the elasticsearch block")
	}
	if out.Username != "" {
		out.Password = secret.New(password)
	}
	return out, nil
}

// settings are those of Bitbucket.
func (x *Index) settings() (settings.Settings, error) {
	found, err := settings.Read(x.env.Instance.Home)
	if err != nil {
		return found, problem.Wrap(err, "settings of the search server cannot be read", "let this user read bitbucket.properties, or correct it, or set url, username and password in the elasticsearch block")
	}
	return found, nil
}
