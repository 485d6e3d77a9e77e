package aws

import (
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	smithy "github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"bkp/internal/debuglog"
)

// logged adds a line of the debug log for each attempt at a call: its name, the status of
// the reply and how long it took. What is asked and answered is not in it.
func logged(stack *smithy.Stack) error {
	return stack.Deserialize.Add(smithy.DeserializeMiddlewareFunc("bkpDebugLog", func(ctx context.Context, in smithy.DeserializeInput, next smithy.DeserializeHandler) (smithy.DeserializeOutput, smithy.Metadata, error) {
		log := debuglog.From(ctx)
		if !log.Enabled(ctx, slog.LevelDebug) {
			return next.HandleDeserialize(ctx, in)
		}
		begun := time.Now()
		out, meta, err := next.HandleDeserialize(ctx, in)
		line := log.With("service", middleware.GetServiceID(ctx), "call", middleware.GetOperationName(ctx), "took", time.Since(begun).Round(time.Microsecond))
		if reply, ok := out.RawResponse.(*smithyhttp.Response); ok {
			line = line.With("status", reply.StatusCode)
		}
		if err != nil {
			line = line.With("error", err)
		}
		line.Debug("amazon")
		return out, meta, err
	}), smithy.Before)
}
