package scaffold

import "testing"

func TestBaseURL(t *testing.T) {
	for _, test := range []struct {
		entries map[string]string
		want    string
	}{
		{nil, ""},
		{map[string]string{"setup.baseUrl": "https://a/b/", "server.port": "1"}, "https://a/b"},
		{map[string]string{"server.port": "7990"}, "http://localhost:7990"},
		{map[string]string{"server.context-path": "bitbucket"}, "http://localhost:7990/bitbucket"},
		{map[string]string{"server.port": "8443", "server.ssl.enabled": "true"}, "https://localhost:8443"},
		{map[string]string{"server.proxy-name": "a", "server.proxy-port": "443", "server.scheme": "https"}, "https://a"},
		{map[string]string{"server.proxy-name": "a", "server.proxy-port": "8080"}, "http://a:8080"},
		{map[string]string{"server.proxy-name": "a", "server.secure": "true", "server.context-path": "/"}, "https://a"},
	} {
		if got := baseURL(test.entries); got != test.want {
			t.Errorf("%v gives %q, want %q", test.entries, got, test.want)
		}
	}
}
