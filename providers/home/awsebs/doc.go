// Package awsebs is the strategy home "aws_ebs": snapshots of the EBS volumes that a home
// lies on, of a machine of EC2.
//
// A volume is found by the serial number of its disk: mount, disk, serial. Under the
// lock there is one call for all volumes of the machine, those of no interest excluded, so that they are
// of one instant. Amazon copies the blocks afterwards, and the run waits for that
// after the unlock.
//
// The call has no idempotency token. It is sent once; if its reply is lost, the set is
// looked up by its tags, and adopted only if it is complete and was begun while the instance was
// locked.
//
// What is read from a snapshot, is read from a volume that is made of it for a while
// and attached to this machine: tagged, so that the next process removes what a dead one
// left.
package awsebs
