package proxy

import (
	"encoding/json"
	"io"
	"net/http"

	"bkp/internal/lab/sandbox"
)

// Control returns the handler by which scripts change the rules; everything
// else goes to next, such as the server's own control. It answers this machine
// only.
//
//	GET     /sandbox/rules    the rules, with what they have done so far
//	PUT     /sandbox/rules    replaces them, by a JSON list
//	DELETE  /sandbox/rules    everything passes again
func (p *Proxy) Control(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", next)
	mux.HandleFunc("GET /sandbox/rules", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(p.Records()) // the client is gone, or has it
	})
	mux.HandleFunc("PUT /sandbox/rules", func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
		var rules []Rule
		if err == nil {
			rules, err = Parse(text)
		}
		if err == nil {
			err = p.Set(rules...)
		}
		if err != nil {
			http.Error(w, "rules: "+err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /sandbox/rules", func(w http.ResponseWriter, _ *http.Request) {
		_ = p.Set() // no rules, nothing wrong
		w.WriteHeader(http.StatusNoContent)
	})
	return sandbox.LoopbackOnly(mux)
}
