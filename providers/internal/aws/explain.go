package aws

import (
	"errors"
	"slices"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"bkp/internal/problem"
)

// codes of errors that mean something to bkp.
const (
	dryRun            = "DryRunOperation"
	snapshotNotFound  = "InvalidSnapshot.NotFound"
	volumeNotFound    = "InvalidVolume.NotFound"
	incorrectState    = "IncorrectState"
	tooManyPending    = "ConcurrentSnapshotLimitExceeded"
	tooManySnapshots  = "SnapshotLimitExceeded"
	tooManyInRegion   = "PendingSnapshotLimitExceeded"
	tooFast           = "SnapshotCreationPerVolumeRateExceeded"
	deviceTaken       = "InvalidParameterValue"
	snapshotIsLocked  = "SnapshotLocked"
	snapshotIsInUse   = "InvalidSnapshot.InUse"
	missingInstanceID = "InvalidInstanceID.NotFound"

	databaseNotFound         = "DBInstanceNotFound"
	databaseSnapshotNotFound = "DBSnapshotNotFound"
	databaseBusy             = "InvalidDBInstanceState"
	clusterNotFound          = "DBClusterNotFoundFault"
	clusterSnapshotNotFound  = "DBClusterSnapshotNotFoundFault"
	snapshotStillMade        = "InvalidDBSnapshotState"
	clusterSnapshotStillMade = "InvalidDBClusterSnapshotStateFault"
)

// meaning is a problem that an error code stands for.
type meaning struct {
	codes           []string
	summary, remedy string
}

func meanings() []meaning {
	return []meaning{
		{denials(), "Amazon denies a call",
			"give the role or user of bkp this right; docs/guides/amazon.md has a policy"},
		{[]string{"AuthFailure", "InvalidClientTokenId", "SignatureDoesNotMatch", "MissingAuthenticationToken", "UnrecognizedClientException"}, "Amazon does not know the keys",
			"see which keys the machine, the profile or the environment has"},
		{[]string{"ExpiredToken", "ExpiredTokenException", "RequestExpired"}, "keys of Amazon have expired",
			"get new ones: for a profile with SSO, log in again; see also whether the clock of this machine is right"},
		{[]string{"RequestLimitExceeded", "Throttling", "ThrottlingException", "Client.RequestLimitExceeded"}, "Amazon limits the calls of the account",
			"run again later; find out what else in the account and region makes so many calls"},
		{[]string{tooFast}, "Amazon limits the snapshots of a volume", "wait a quarter of a minute between two snapshots of a volume, and run again"},
		{[]string{tooManyPending}, "volume has too many unfinished snapshots", "wait until the earlier snapshots of the volume are completed, then run again"},
		{[]string{tooManyInRegion, tooManySnapshots}, "account has too many snapshots", "wait until others are completed, or ask Amazon for a larger quota of snapshots in this region"},
		{[]string{"VolumeLimitExceeded", "MaxIOPSLimitExceeded", "AttachmentLimitExceeded"}, "account has no room for another volume", "remove volumes, or ask Amazon for a larger quota"},
		{[]string{snapshotIsLocked}, "snapshot is locked", "wait until its lock ends: nobody can delete it before"},
		{[]string{snapshotIsInUse}, "snapshot is in use", "deregister the image (AMI) that needs it, or keep it: bkp tries again to delete it"},
		{[]string{snapshotStillMade, clusterSnapshotStillMade}, "snapshot of a database is not complete", "wait until it is: RDS deletes and copies none before"},
		{[]string{databaseBusy, "InvalidDBInstanceStateFault", "InvalidDBClusterStateFault"}, "database is busy", "wait until its status is available, then run again"},
		{[]string{"SnapshotQuotaExceeded", "InstanceQuotaExceeded", "StorageQuotaExceeded"}, "account has too many databases or snapshots of them", "remove some, or ask Amazon for a larger quota"},
		{[]string{"KMSKeyNotAccessibleFault", "InvalidKmsKey.NotFound", "InvalidKmsKey.InvalidState"}, "key cannot be used",
			"let the account that copies or restores use the key; the default key of an account cannot be used by another one"},
		{[]string{missingInstanceID}, "machine is not known to Amazon", "correct instance_id, or region"},
	}
}

func denials() []string {
	return []string{"UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "AuthorizationError"}
}

// Denied reports whether a right was missing.
func Denied(err error) bool { return slices.Contains(denials(), codeOf(err)) }

// explain is the error of a call, for an operator. right is that which the call
// needs, such as ec2:CreateSnapshots, and about what it was about.
func explain(err error, right, about string) error {
	if err == nil {
		return nil
	}
	detail := right
	if about != "" {
		detail += " of " + about
	}
	code := codeOf(err)
	for _, m := range meanings() {
		if slices.Contains(m.codes, code) {
			return problem.Wrapf(err, m.summary, m.remedy, "%s", detail)
		}
	}
	return problem.Wrapf(err, "call of Amazon failed", "see what Amazon answered, and run again", "%s", detail)
}

// codeOf is the code of an error that Amazon answered, "" for any other.
func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// Answered reports whether Amazon refused a call: it had no effect then. Of any other
// error it is not known whether the call had one.
func Answered(err error) bool {
	if Throttled(err) {
		return true
	}
	var response *smithyhttp.ResponseError
	return codeOf(err) != "" && errors.As(err, &response) && response.HTTPStatusCode()/100 == 4
}

// Throttled reports whether a call had no effect because there were too many.
func Throttled(err error) bool {
	return slices.Contains([]string{"RequestLimitExceeded", "Throttling", "ThrottlingException", "Client.RequestLimitExceeded"}, codeOf(err))
}

// StillMade reports whether a snapshot of a database could not be deleted because RDS is
// making it.
func StillMade(err error) bool {
	return slices.Contains([]string{snapshotStillMade, clusterSnapshotStillMade}, codeOf(err))
}

// NameTaken reports whether a volume could not be attached because its device name is
// in use.
func NameTaken(err error) bool { return codeOf(err) == deviceTaken }
