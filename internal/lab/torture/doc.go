// Command torture breaks bkp in every way that it can think of, and reports
// whether an instance stayed locked, whether anything was left behind, and
// whether a backup that cannot be restored stands on the list.
//
// It runs the real bkp against the sandbox, with users who push, and numbers
// every effect that a backup has, or the way back: a restore, a drill, recover
// after a power cut, the storing of what was captured. Each file written, renamed,
// synced or removed, each request and statement sent, each tool started, by bkp
// and by everything that it starts. Then it does the same again and again, and
// each time disturbs one effect: the call fails, the reply is lost, the thread
// hangs, the process crashes, bkp or the tool is killed. Besides, it kills bkp at
// random moments. After each it looks at what is left, lets bkp recover, does
// again what did not come to its end, and makes the next backup without
// disturbance.
//
//	go run ./internal/lab/torture                     as make torture does
//	go run ./internal/lab/torture --only 'CASE'       one case again, as the report names it
//	go run ./internal/lab/torture --every             every effect in every way; takes a day
//
// A case is named by what is disturbed, not by a number, because two runs of one
// program never do everything in the same order: SCENARIO TOOL CALL TARGET NTH
// KIND. It works on Linux, on amd64, and needs git, rsync, PostgreSQL and MariaDB. Scenarios
// with +s3 store in a bucket of this process; those with +restic need what make beds makes.
package main
