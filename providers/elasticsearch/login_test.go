package elasticsearch_test

import (
	"bkp/internal/secret"
	"bkp/providers/elasticsearch"
)

func loginOf(url, user, password string) elasticsearch.Login {
	out := elasticsearch.Login{Address: elasticsearch.Address{URL: url}, Username: user}
	if user != "" {
		out.Password = secret.New(password)
	}
	return out
}
