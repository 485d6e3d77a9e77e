// Package amazones is the strategy elasticsearch "amazon_es": snapshots of the search
// index of a domain of Amazon OpenSearch Service, whose requests are signed.
package amazones

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"

	"bkp/internal/problem"
	"bkp/providers"
	"bkp/providers/elasticsearch"
	"bkp/providers/elasticsearch/internal/api"
)

const name = `elasticsearch "amazon_es"`

// service is Amazon's name for it in signatures.
const service = "es"

// Config is the block elasticsearch "amazon_es".
type Config struct {
	elasticsearch.Address
	elasticsearch.Config

	Region   string `hcl:"region" help:"region of the domain and of the bucket" example:"eu-central-1"`
	Profile  string `hcl:"profile,optional" help:"profile of the shared files of keys" unset:"the environment, the default profile or the machine's role, as the SDK looks for them"`
	Bucket   string `hcl:"bucket,optional" help:"bucket for the snapshots" unset:"as the repository is registered" example:"search-snapshots"`
	BasePath string `hcl:"base_path,optional" help:"folder in the bucket" unset:"the bucket itself" example:"bitbucket"`
	RoleARN  string `hcl:"role_arn,optional" help:"role by which the domain writes to the bucket; who registers the repository needs iam:PassRole on it" unset:"as the repository is registered" example:"arn:aws:iam::123456789012:role/search-snapshots"`
}

// ValidateConfig implements providers.ConfigValidator.
func (c *Config) ValidateConfig() []providers.ConfigProblem {
	return slices.Concat(c.Validate(), c.ValidatePlace(elasticsearch.Need{Name: "bucket", Value: c.Bucket}, elasticsearch.Need{Name: "role_arn", Value: c.RoleARN}))
}

// Definition describes the strategy.
func Definition() providers.Definition {
	return providers.Define(providers.Searches, "amazon_es", "snapshots of the search index of Amazon OpenSearch Service, in a bucket", Config{Config: elasticsearch.Defaults()},
		func(c Config, env providers.Env) (providers.Strategy, error) {
			k := &keys{region: c.Region, profile: c.Profile, signer: v4.NewSigner()}
			return elasticsearch.New(name, elasticsearch.Login{Address: c.Address}, c.Config, elasticsearch.Store{
				Type: "s3", Settings: elasticsearch.Settings("bucket", c.Bucket, "region", c.Region, "base_path", c.BasePath, "role_arn", c.RoleARN), Sign: k.sign,
			}, env), nil
		}, elasticsearch.Options()...)
}

// keys sign requests. They are looked for with the first one.
type keys struct {
	region, profile string
	signer          *v4.Signer

	mu     sync.Mutex
	source aws.CredentialsProvider
}

var _ api.Signer = (&keys{}).sign

func (k *keys) sign(req *http.Request, body []byte) error {
	const remedy = "give this machine a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or profile in the elasticsearch block"
	source, err := k.provider(req.Context())
	if err != nil {
		return problem.Wrap(err, "keys of Amazon cannot be read", remedy)
	}
	creds, err := source.Retrieve(req.Context())
	if err != nil {
		return problem.Wrap(err, "no keys of Amazon", remedy)
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	return k.signer.SignHTTP(req.Context(), creds, req, hash, service, k.region, time.Now())
}

func (k *keys) provider(ctx context.Context) (aws.CredentialsProvider, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.source != nil {
		return k.source, nil
	}
	options := []func(*config.LoadOptions) error{config.WithRegion(k.region)}
	if k.profile != "" {
		options = append(options, config.WithSharedConfigProfile(k.profile))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, err
	}
	k.source = cfg.Credentials
	return k.source, nil
}
