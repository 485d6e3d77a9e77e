package secret_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"bkp/internal/secret"
)

func TestNothingShowsTheValue(t *testing.T) {
	const value = "hunter2"
	type config struct{ Password secret.String }
	c := config{secret.New(value)}
	j, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", c.Password)
	shown := fmt.Sprintf("%v %+v %#v %s %q %x %d %t", c, c, c, c.Password, c.Password, c.Password, c.Password, c.Password) +
		string(j) + log.String() + c.Password.String() + fmt.Sprint(&c)
	if strings.Contains(shown, value) || strings.Contains(shown, "68756e74657232") {
		t.Error(shown)
	}
	if c.Password.Reveal() != value || !c.Password.IsSet() || (secret.String{}).IsSet() {
		t.Error("the value was lost")
	}
}

func TestRedact(t *testing.T) {
	got := secret.Redact("a hunter2 b", secret.New("hunter2"), secret.New(""))
	if got != "a "+secret.Hidden+" b" {
		t.Error(got)
	}
}
