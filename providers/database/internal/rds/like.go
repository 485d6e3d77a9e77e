package rds

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"bkp/providers"
	"bkp/providers/internal/aws"
)

// like is what a restore needs to know of a database that is gone.
type like struct {
	Class          string   `json:"class,omitempty"`
	SubnetGroup    string   `json:"subnet_group,omitempty"`
	ParameterGroup string   `json:"parameter_group,omitempty"`
	OptionGroup    string   `json:"option_group,omitempty"`
	SecurityGroups []string `json:"security_groups,omitempty"`
	MultiZone      bool     `json:"multi_zone,omitempty"`
}

func likeOf(d aws.Database, class string) (string, error) {
	text, err := json.Marshal(like{cmp.Or(d.Class, class), d.SubnetGroup, d.ParameterGroup, d.OptionGroup, d.SecurityGroups, d.MultiZone})
	return string(text), err
}

// like is what the new database is to be: as the configuration says, else as the live one is, else
// as it was when it was captured.
func (r restorer) like(ctx context.Context, live aws.Database, a providers.Artifact) (aws.Database, error) {
	now := like{live.Class, live.SubnetGroup, live.ParameterGroup, live.OptionGroup, live.SecurityGroups, live.MultiZone}
	if live.ID == "" {
		if err := json.Unmarshal([]byte(cmp.Or(a.Ref[refLike], "{}")), &now); err != nil {
			return aws.Database{}, err
		}
	}
	c := r.from.config.Restore
	class := cmp.Or(c.Class, now.Class)
	if class == "" {
		var err error
		if class, err = r.from.classOf(ctx, live); err != nil {
			return aws.Database{}, err
		}
	}
	groups := slices.Clone(c.SecurityGroups)
	if len(groups) == 0 {
		groups = now.SecurityGroups
	}
	return aws.Database{
		Engine: cmp.Or(a.Facts[factEngine], live.Engine), Version: a.Facts[factVersion],
		Class: class, SubnetGroup: cmp.Or(c.SubnetGroup, now.SubnetGroup), ParameterGroup: cmp.Or(c.ParameterGroup, now.ParameterGroup),
		OptionGroup: cmp.Or(c.OptionGroup, now.OptionGroup), SecurityGroups: groups, MultiZone: now.MultiZone,
	}, nil
}
