package aws

import (
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"bkp/internal/problem"
)

// Instance is a machine.
type Instance struct {
	ID, Zone, State string
	// Boot is the volume that it starts from, "" if that is none of EBS.
	Boot string
	// Volumes are all that are attached, by device name.
	Volumes map[string]string
}

// Has reports whether a volume is attached.
func (i Instance) Has(volume string) bool {
	return slices.Contains(slices.Collect(maps.Values(i.Volumes)), volume)
}

// Instance describes a machine.
func (c *Client) Instance(ctx context.Context, id string) (Instance, error) {
	if err := c.connect(ctx); err != nil {
		return Instance{}, err
	}
	out, err := c.ec2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	if err != nil {
		return Instance{}, explain(err, "ec2:DescribeInstances", id)
	}
	for _, r := range out.Reservations {
		for _, i := range r.Instances {
			return instanceOf(i), nil
		}
	}
	return Instance{}, problem.New("machine is not known to Amazon", id+" is not in this account and region", "correct instance_id, or region")
}

func instanceOf(i types.Instance) Instance {
	out := Instance{ID: aws.ToString(i.InstanceId), Volumes: map[string]string{}}
	if i.Placement != nil {
		out.Zone = aws.ToString(i.Placement.AvailabilityZone)
	}
	if i.State != nil {
		out.State = string(i.State.Name)
	}
	for _, m := range i.BlockDeviceMappings {
		if m.Ebs == nil {
			continue
		}
		device, volume := aws.ToString(m.DeviceName), aws.ToString(m.Ebs.VolumeId)
		out.Volumes[device] = volume
		if device == aws.ToString(i.RootDeviceName) {
			out.Boot = volume
		}
	}
	return out
}

// Volume of EBS.
type Volume struct {
	ID, Zone, Type string
	// State is creating, available, in-use, deleting or error.
	State string
	// Instance that it is attached to, "" for none; Attachment is attaching, attached,
	// detaching or busy.
	Instance, Attachment string
	Tags                 map[string]string
}

// VolumesWith are those with a tag of this key.
func (c *Client) VolumesWith(ctx context.Context, tagKey string) ([]Volume, error) {
	return c.volumes(ctx, &ec2.DescribeVolumesInput{Filters: []types.Filter{filter("tag-key", tagKey)}})
}

// Volumes describes volumes by their ids; none if one of them is not there.
func (c *Client) Volumes(ctx context.Context, ids ...string) ([]Volume, error) {
	return c.volumes(ctx, &ec2.DescribeVolumesInput{VolumeIds: ids})
}

func (c *Client) volumes(ctx context.Context, in *ec2.DescribeVolumesInput) ([]Volume, error) {
	if err := c.connect(ctx); err != nil {
		return nil, err
	}
	pages := ec2.NewDescribeVolumesPaginator(c.ec2, in)
	var out []Volume
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if codeOf(err) == volumeNotFound {
			return nil, nil
		}
		if err != nil {
			return nil, explain(err, "ec2:DescribeVolumes", "")
		}
		for _, v := range page.Volumes {
			one := Volume{ID: aws.ToString(v.VolumeId), Zone: aws.ToString(v.AvailabilityZone), Type: string(v.VolumeType), State: string(v.State), Tags: tagsOf(v.Tags)}
			for _, a := range v.Attachments {
				one.Instance, one.Attachment = aws.ToString(a.InstanceId), string(a.State)
			}
			out = append(out, one)
		}
	}
	return out, nil
}

// NewVolume is one to make from a snapshot.
type NewVolume struct {
	Snapshot, Zone, Type string
	// Rate is how fast its blocks are loaded from the snapshot, in MiB/s; 0 for as
	// they are read.
	Rate int32
	// Key encrypts it; "" is for as the snapshot.
	Key  string
	Tags map[string]string
}

// CreateVolume makes a volume. The SDK repeats it under one token, so there is
// one of it.
func (c *Client) CreateVolume(ctx context.Context, v NewVolume) (string, error) {
	if err := c.connect(ctx); err != nil {
		return "", err
	}
	tags := maps.Clone(v.Tags)
	maps.Copy(tags, c.access.Tags)
	in := &ec2.CreateVolumeInput{
		SnapshotId: &v.Snapshot, AvailabilityZone: &v.Zone, VolumeType: types.VolumeType(v.Type), TagSpecifications: specification(types.ResourceTypeVolume, tags),
	}
	if v.Rate > 0 {
		in.VolumeInitializationRate = &v.Rate
	}
	if v.Key != "" {
		in.Encrypted, in.KmsKeyId = aws.Bool(true), &v.Key
	}
	out, err := c.ec2.CreateVolume(ctx, in)
	if err != nil {
		return "", explain(err, "ec2:CreateVolume", v.Snapshot)
	}
	return aws.ToString(out.VolumeId), nil
}

// TryCreateVolume reports, without an effect, why CreateVolume would be refused.
func (c *Client) TryCreateVolume(ctx context.Context, v NewVolume) error {
	if err := c.connect(ctx); err != nil {
		return err
	}
	_, err := c.ec2.CreateVolume(ctx, &ec2.CreateVolumeInput{SnapshotId: &v.Snapshot, AvailabilityZone: &v.Zone, VolumeType: types.VolumeType(v.Type), DryRun: aws.Bool(true)})
	return tried(err, "ec2:CreateVolume", v.Snapshot)
}

// Attach attaches a volume under a device name. One that is attached to the machine
// already stays so.
func (c *Client) Attach(ctx context.Context, volume, instance, device string) error {
	if err := c.connect(ctx); err != nil {
		return err
	}
	_, err := c.ec2.AttachVolume(ctx, &ec2.AttachVolumeInput{VolumeId: &volume, InstanceId: &instance, Device: &device})
	return explain(err, "ec2:AttachVolume", volume)
}

// Detach begins to detach a volume; one that is not attached, or gone, is detached.
func (c *Client) Detach(ctx context.Context, volume string) error {
	if err := c.connect(ctx); err != nil {
		return err
	}
	_, err := c.ec2.DetachVolume(ctx, &ec2.DetachVolumeInput{VolumeId: &volume})
	if code := codeOf(err); code == incorrectState || code == volumeNotFound {
		return nil
	}
	return explain(err, "ec2:DetachVolume", volume)
}

// DeleteVolume deletes a volume that is not attached; one that is gone is deleted.
func (c *Client) DeleteVolume(ctx context.Context, volume string) error {
	if err := c.connect(ctx); err != nil {
		return err
	}
	_, err := c.ec2.DeleteVolume(ctx, &ec2.DeleteVolumeInput{VolumeId: &volume})
	if codeOf(err) == volumeNotFound {
		return nil
	}
	return explain(err, "ec2:DeleteVolume", volume)
}
