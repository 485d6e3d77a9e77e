package aws

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"bkp/internal/problem"
	"bkp/providers"
)

// Access are the attributes of a block that say as whom Amazon is asked, and where.
// Blocks embed it.
type Access struct {
	Region     string            `hcl:"region,optional" help:"region that is asked" unset:"AWS_REGION, the profile, or that of this machine" example:"eu-central-1"`
	Profile    string            `hcl:"profile,optional" help:"profile of the shared AWS files" unset:"AWS_PROFILE, or default" example:"backup"`
	Endpoint   string            `hcl:"endpoint,optional" help:"URL of the services, if it is not Amazon's own" unset:"AWS_ENDPOINT_URL, or Amazon" example:"https://vpce-0a1b.ec2.eu-central-1.vpce.amazonaws.com"`
	Tags       map[string]string `hcl:"tags,optional" help:"further tags of what is made, such as for the accounting" example:"{ team = \"scm\" }"`
	AssumeRole *Role             `hcl:"assume_role,block" help:"a role to take on, such as of another account"`
}

// Role is one to take on.
type Role struct {
	ARN        string `hcl:"arn" help:"ARN of the role" example:"arn:aws:iam::111122223333:role/bkp"`
	ExternalID string `hcl:"external_id,optional" help:"what the role asks for besides, if it does" unset:"none is sent" example:"bkp-prod"`
}

// ownTags begins the keys of the tags that bkp sets itself.
const ownTags = "bkp:"

// ValidateConfig names what is wrong.
func (a *Access) ValidateConfig() []providers.ConfigProblem {
	var out []providers.ConfigProblem
	add := func(attribute, summary, detail, remedy string) {
		out = append(out, providers.ConfigProblem{Attribute: attribute, Summary: summary, Detail: detail, Remedy: remedy})
	}
	if u, err := url.Parse(a.Endpoint); a.Endpoint != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		add("endpoint", "not a URL", fmt.Sprintf("%q is no URL of a service", a.Endpoint), "write https://HOST, or leave it out for Amazon")
	}
	for key := range a.Tags {
		if key == "" || strings.HasPrefix(key, ownTags) || strings.HasPrefix(key, "aws:") || key == "Name" {
			add("tags", "not a tag of yours", fmt.Sprintf("the key %q is taken", key), "choose a key that does not begin with bkp: or aws:, and is not Name")
		}
	}
	const mostTags = 8 // of 50, the manifest needs most
	if len(a.Tags) > mostTags {
		add("tags", "too many tags", fmt.Sprintf("there are %d, and most of the 50 that Amazon allows are needed for the manifest of a backup", len(a.Tags)), fmt.Sprintf("set %d at most", mostTags))
	}
	if a.AssumeRole != nil && !strings.HasPrefix(a.AssumeRole.ARN, "arn:") {
		add("assume_role.arn", "not the ARN of a role", fmt.Sprintf("%q does not begin with arn:", a.AssumeRole.ARN), "write it as IAM shows it: arn:aws:iam::ACCOUNT:role/NAME")
	}
	return out
}

// Client asks Amazon. It connects with its first call, and is safe for concurrent
// use.
type Client struct {
	access Access

	mu     sync.Mutex
	ready  bool
	config aws.Config
	ec2    *ec2.Client
	sts    *sts.Client
}

// New returns a client. It touches nothing.
func New(a Access) *Client { return &Client{access: a} }

const (
	// maxAttempts and maxPause are for what may be repeated.
	maxAttempts = 6
	maxPause    = 10 * time.Second
)

// connect finds keys and region, once. Keys that expire are fetched again by the SDK.
func (c *Client) connect(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ready {
		return nil
	}
	// What the SDK logs are details of connections, which no operator can use.
	options := []func(*config.LoadOptions) error{config.WithLogger(logging.Nop{}), config.WithRetryer(func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = maxAttempts, maxPause })
	})}
	if c.access.Region != "" {
		options = append(options, config.WithRegion(c.access.Region))
	} else {
		options = append(options, config.WithEC2IMDSRegion())
	}
	if c.access.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(c.access.Profile))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return problem.Wrap(err, "no access to Amazon", "correct profile, or the shared AWS files")
	}
	if cfg.Region == "" {
		return problem.New("region is not known", "neither region, AWS_REGION, the profile nor the metadata of this machine name one", "set region")
	}
	cfg.APIOptions = append(cfg.APIOptions, logged)
	if c.access.Endpoint != "" {
		cfg.BaseEndpoint = &c.access.Endpoint
	}
	if r := c.access.AssumeRole; r != nil {
		provider := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), r.ARN, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = "bkp"
			if r.ExternalID != "" {
				o.ExternalID = &r.ExternalID
			}
		})
		cfg.Credentials = aws.NewCredentialsCache(provider)
	}
	c.config, c.ec2, c.sts, c.ready = cfg, ec2.NewFromConfig(cfg), sts.NewFromConfig(cfg), true
	return nil
}

// Region is the one that is asked.
func (c *Client) Region(ctx context.Context) (string, error) {
	if err := c.connect(ctx); err != nil {
		return "", err
	}
	return c.config.Region, nil
}

// Account is that of the keys. Nobody can be denied the right to ask.
func (c *Client) Account(ctx context.Context) (string, error) {
	if err := c.connect(ctx); err != nil {
		return "", err
	}
	out, err := c.sts.GetCallerIdentity(ctx, nil)
	if err != nil {
		return "", explain(err, "sts:GetCallerIdentity", "the account of the keys")
	}
	return aws.ToString(out.Account), nil
}

// lifetime is how long keys must be good for when a lock is about to begin.
const lifetime = 15 * time.Minute

// Refresh fetches new keys if those at hand expire soon: not while users wait.
func (c *Client) Refresh(ctx context.Context) error {
	if err := c.connect(ctx); err != nil {
		return err
	}
	keys, err := c.config.Credentials.Retrieve(ctx)
	if err != nil {
		return problem.Wrap(err, "no access to Amazon", "see which keys the machine, the profile or the environment has")
	}
	cache, ok := c.config.Credentials.(*aws.CredentialsCache)
	if ok && keys.CanExpire && time.Until(keys.Expires) < lifetime {
		cache.Invalidate()
		if _, err := cache.Retrieve(ctx); err != nil {
			return problem.Wrap(err, "no access to Amazon", "see which keys the machine, the profile or the environment has")
		}
	}
	return nil
}

// ThisInstance is the machine that bkp runs on, from its metadata.
func (c *Client) ThisInstance(ctx context.Context) (string, error) {
	if err := c.connect(ctx); err != nil {
		return "", err
	}
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	doc, err := imds.NewFromConfig(c.config).GetInstanceIdentityDocument(ctx, nil)
	if err != nil {
		return "", problem.Wrap(err, "machine is not known to Amazon", "set instance_id, or allow the metadata service: in a container, its answers need a hop limit of 2")
	}
	if doc.InstanceID == "" {
		return "", errors.New("the metadata of the machine has no instance id")
	}
	return doc.InstanceID, nil
}

// Clock is the time of Amazon, exact to a second.
func (c *Client) Clock(ctx context.Context) (time.Time, error) {
	if err := c.connect(ctx); err != nil {
		return time.Time{}, err
	}
	out, err := c.sts.GetCallerIdentity(ctx, nil)
	if err != nil {
		return time.Time{}, explain(err, "sts:GetCallerIdentity", "the account of the keys")
	}
	at, ok := middleware.GetServerTime(out.ResultMetadata)
	if !ok {
		return time.Time{}, errors.New("the answer of Amazon has no date")
	}
	return at, nil
}
