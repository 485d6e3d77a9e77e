package bitbucket

import (
	"net/http"
	"slices"
	"strings"
)

// servers are what proxies and load balancers call themselves in the Server
// header. Bitbucket's own server sends none.
var servers = []string{
	"nginx", "openresty", "apache/", "httpd", "envoy", "istio", "haproxy", "traefik", "caddy", "awselb", "cloudflare",
	"varnish", "squid", "bigip", "big-ip", "microsoft-iis", "microsoft-azure-application-gateway", "netscaler", "gws", "google frontend",
}

// balancerCookies begin the names of cookies by which load balancers keep a
// user on one node.
var balancerCookies = []string{"AWSALB", "AWSELB", "BIGipServer", "SERVERID", "ROUTEID", "NSC_", "INGRESSCOOKIE", "GCLB"}

// proxyIn returns what seems to stand between this machine and the instance, by
// the headers of a reply, or "".
func proxyIn(h http.Header) string {
	if via := h.Get("Via"); via != "" {
		return clip("Via: "+via, maxStart)
	}
	server := strings.ToLower(h.Get("Server"))
	if slices.ContainsFunc(servers, func(s string) bool { return strings.Contains(server, s) }) {
		return clip("Server: "+h.Get("Server"), maxStart)
	}
	for _, cookie := range (&http.Response{Header: h}).Cookies() {
		if slices.ContainsFunc(balancerCookies, func(p string) bool { return strings.HasPrefix(cookie.Name, p) }) {
			return clip("cookie "+cookie.Name, maxStart)
		}
	}
	return ""
}
