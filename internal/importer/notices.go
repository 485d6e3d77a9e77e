package importer

import (
	"strings"

	"bkp/internal/hcldoc"
)

// writeNotices writes, as a comment, what stands in for the notices to HipChat.
func (c *converter) writeNotices(d *hcldoc.Doc) {
	found := false
	for name, v := range c.e.vars {
		// The files that come with the scripts set it to nothing.
		found = found || strings.HasPrefix(name, "HIPCHAT_") && !strings.HasSuffix(name, "_URL") && (!v.known() || v.text != "")
	}
	if !found {
		return
	}
	d.Prose("The scripts sent notices to HipChat, which was discontinued. bkp sends them elsewhere: see docs/guides/notifications.md. Refer to the block in the instance with notify = [notify.slack.main]:")
	// What it disables has no error to report: it is written here.
	_ = d.Disabled(func(d *hcldoc.Doc) {
		d.Open("notify", "slack", "main")
		d.Attr("url", `env("SLACK_WEBHOOK_URL")`, "")
		d.Close()
	})
	d.Blank()
}
