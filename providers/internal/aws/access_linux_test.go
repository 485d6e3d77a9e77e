package aws_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	lab "bkp/internal/lab/aws"
	"bkp/internal/problem"
	"bkp/providers/internal/aws"
)

const (
	stranger = "444455556666"
	role     = "arn:aws:iam::" + stranger + ":role/bkp"
)

func newWorld(t *testing.T) *lab.World {
	t.Helper()
	w := lab.Start(t)
	w.Setenv(t)
	return w
}

// bare takes the keys from the environment.
func bare(t *testing.T) {
	t.Helper()
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"} {
		t.Setenv(name, "")
	}
}

func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// asks expects the client to be of an account and a region.
func asks(t *testing.T, a aws.Access, account, region string) {
	t.Helper()
	c := aws.New(a)
	got, err := c.Account(t.Context())
	if err != nil {
		t.Fatal(err, problem.Remedy(err))
	}
	in, err := c.Region(t.Context())
	if err != nil || got != account || in != region {
		t.Errorf("account %s, region %s, %v", got, in, err)
	}
	if err := c.Refresh(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestMachine has keys and region of the machine's metadata, whose second version asks for
// a token.
func TestMachine(t *testing.T) {
	w := newWorld(t)
	bare(t)
	asks(t, aws.Access{Endpoint: w.Endpoint}, lab.Account, lab.Region)
	id, err := aws.New(aws.Access{Endpoint: w.Endpoint}).ThisInstance(t.Context())
	if err != nil || id != lab.Instance {
		t.Errorf("%s, %v", id, err)
	}
}

// TestProfile has keys and region of a profile, and of no other one.
func TestProfile(t *testing.T) {
	w := newWorld(t)
	bare(t)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", written(t, "[profile backup]\nregion = eu-west-1\n"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", written(t, "[backup]\naws_access_key_id = "+lab.AccessKey+"\naws_secret_access_key = x\n[default]\naws_access_key_id = AKIANOBODY\naws_secret_access_key = x\n"))
	asks(t, aws.Access{Endpoint: w.Endpoint, Profile: "backup"}, lab.Account, "eu-west-1")
	if _, err := aws.New(aws.Access{Endpoint: w.Endpoint, Region: lab.Region}).Account(t.Context()); err == nil || problem.Remedy(err) == "" {
		t.Errorf("keys that nobody knows: %v", err)
	}
	if _, err := aws.New(aws.Access{Endpoint: w.Endpoint, Profile: "gone"}).Account(t.Context()); err == nil || problem.Remedy(err) == "" {
		t.Errorf("a profile that is not there: %v", err)
	}
}

// TestAssumeRole takes on a role of another account, with its external id.
func TestAssumeRole(t *testing.T) {
	w := newWorld(t)
	w.Role(role, "bkp-prod")
	as := func(externalID string) aws.Access {
		return aws.Access{Endpoint: w.Endpoint, AssumeRole: &aws.Role{ARN: role, ExternalID: externalID}}
	}
	asks(t, as("bkp-prod"), stranger, lab.Region)
	if _, err := aws.New(as("")).Account(t.Context()); err == nil || !strings.Contains(err.Error(), "AssumeRole") {
		t.Errorf("without the external id: %v", err)
	}
}

// TestWebIdentity has the keys of a role for the token of a service account, as in
// Kubernetes.
func TestWebIdentity(t *testing.T) {
	w := newWorld(t)
	bare(t)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_REGION", lab.Region)
	t.Setenv("AWS_ENDPOINT_URL", w.Endpoint)
	t.Setenv("AWS_ENDPOINT_URL_STS", w.Endpoint) // the SDK asks for the keys before it reads the other one
	t.Setenv("AWS_ROLE_ARN", role)
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", written(t, lab.ServiceAccount))
	asks(t, aws.Access{}, stranger, lab.Region)
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", written(t, "of somebody else"))
	if _, err := aws.New(aws.Access{}).Account(t.Context()); err == nil {
		t.Error("another token was taken")
	}
}

// TestExpired says that keys have expired, and what to do.
func TestExpired(t *testing.T) {
	w := newWorld(t)
	c := aws.New(aws.Access{Endpoint: w.Endpoint})
	w.Expire()
	_, err := c.Snapshots(t.Context(), aws.TagBackup)
	if err == nil || !strings.Contains(err.Error(), "keys of Amazon have expired") || problem.Remedy(err) == "" {
		t.Error(err)
	}
}
