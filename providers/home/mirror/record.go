package mirror

import (
	"context"

	"bkp/providers"
)

// Record implements providers.Recorder. No pass follows in this run, so that its
// indexes are written now.
func (s *strategy) Record(ctx context.Context, a providers.Artifact) (providers.Record, error) {
	if err := s.OwnCopy(a); err != nil {
		return nil, err
	}
	for _, series := range s.series {
		if err := series.Sum(ctx); err != nil {
			return nil, err
		}
		if err := series.Commit(); err != nil {
			return nil, err
		}
	}
	return s.OpenRecord(nil)
}

// Distrust implements providers.Recorder.
func (s *strategy) Distrust(_ context.Context, _ providers.Artifact, folders []string) error {
	return s.DistrustCopy(folders)
}
