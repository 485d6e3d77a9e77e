# What the scripts of this folder begin with. They run in a system with systemd, as
# root. /job has the packages, the names of them in old and next, and a sandbox.
set -eu
cd /job
fail() { echo "FAILED: $*"; journalctl --no-pager -n 60 || true; exit 1; }
# is WANT COMMAND… compares what a command prints.
is() {
  want=$1; shift
  got=$("$@" 2>&1) || true
  [ "$got" = "$want" ] || fail "$*: got '$got', want '$want'"
}
# await COMMAND… waits until it succeeds, a minute at most.
await() {
  for _ in $(seq 600); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done
  fail "in vain: $*"
}
state() { systemctl show --value -p "$2" "$1"; }

run() { systemctl start "$1" || fail "$1: $(journalctl --no-pager -u "$1")"; echo "$1: $(state "$1" Result)"; }
# control METHOD PATH BODY asks the sandbox.
control() {
  exec 3<>/dev/tcp/127.0.0.1/7991
  printf '%s /sandbox/%s HTTP/1.0\r\nHost: 127.0.0.1:7991\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' "$1" "$2" "${#3}" "$3" >&3
  cat <&3
  exec 3>&-
}
drain() { control PATCH corners "{\"drain\":\"$1\"}" | grep -q ' 200 ' || fail "the sandbox refuses"; }
locked() { control GET state '' | tr -d ' \n' | grep -q '"state":{"owner"'; }
unlocked() { ! locked; }
# killed kills a run under the lock, waits until its guardian has unlocked, and runs again.
killed() {
  drain 600000ms
  systemctl start --no-block bkp.service
  await locked
  systemctl kill --kill-whom=main -s KILL bkp.service
  await unlocked
  # Before systemd has noticed, a start would join the job that was killed.
  await systemctl is-failed bkp.service
  drain 50ms
  run bkp.service
}
