//go:build linux

package aws

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

func (w *World) callerIdentity(c call) (elements, *failure) {
	w.offset += time.Second // who waits for the clock asks for it
	return elements{el("Arn", "arn:aws:iam::"+c.place.account+":user/bkp"), el("UserId", "AIDABKP"), el("Account", c.place.account)}, nil
}

// assumeRole gives keys of the account that the role belongs to.
func (w *World) assumeRole(c call) (elements, *failure) {
	arn := strings.Split(c.Get("RoleArn"), ":")
	if len(arn) < 6 {
		return nil, fail("ValidationError", "%s is not a valid ARN", c.Get("RoleArn"))
	}
	if want, known := w.roles[c.Get("RoleArn")]; known && want != c.Get("ExternalId") {
		f := fail("AccessDenied", "User is not authorized to perform: sts:AssumeRole on resource: %s", c.Get("RoleArn"))
		f.status = http.StatusForbidden
		return nil, f
	}
	w.next++
	key := fmt.Sprintf("ASIAROLE%012d", w.next)
	w.keys[key] = arn[4]
	return elements{
		el("Credentials", elements{el("AccessKeyId", key), el("SecretAccessKey", "of a role"), el("SessionToken", "token-"+c.Get("ExternalId")), el("Expiration", w.now().Add(time.Hour))}),
		el("AssumedRoleUser", elements{el("AssumedRoleId", "AROA:bkp"), el("Arn", c.Get("RoleArn"))}),
	}, nil
}

// ServiceAccount is what AssumeRoleWithWebIdentity takes for the proof of one.
const ServiceAccount = "signed by Kubernetes"

// webIdentity gives keys to who shows the token. It is the one call that is not signed.
func (w *World) webIdentity(c call) (elements, *failure) {
	if c.Get("WebIdentityToken") != ServiceAccount {
		return nil, fail("InvalidIdentityToken", "the token is not known")
	}
	return w.assumeRole(c)
}

// metadata is IMDSv2: without a token from a PUT there is no answer.
func (w *World) metadata(rw http.ResponseWriter, r *http.Request) {
	const token = "a token of the machine"
	if r.Method == http.MethodPut && r.URL.Path == "/latest/api/token" {
		rw.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
		_, _ = fmt.Fprint(rw, token)
		return
	}
	if r.Header.Get("X-Aws-Ec2-Metadata-Token") != token {
		http.Error(rw, "IMDSv2 is required", http.StatusUnauthorized)
		return
	}
	answers := map[string]string{
		"/latest/meta-data/instance-id":                 Instance,
		"/latest/meta-data/placement/region":            Region,
		"/latest/meta-data/placement/availability-zone": Zone,
		"/latest/dynamic/instance-identity/document":    fmt.Sprintf(`{"instanceId":%q,"region":%q,"availabilityZone":%q,"accountId":%q}`, Instance, Region, Zone, Account),
		"/latest/meta-data/iam/security-credentials/":   "bkp-role",
		"/latest/meta-data/iam/security-credentials/bkp-role": fmt.Sprintf(
			`{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":%q,"SecretAccessKey":%q,"Token":"t","Expiration":%q}`, AccessKey, SecretKey, time.Now().Add(time.Hour).UTC().Format(time.RFC3339)),
	}
	text, ok := answers[r.URL.Path]
	if !ok {
		http.NotFound(rw, r)
		return
	}
	_, _ = fmt.Fprint(rw, text)
}
