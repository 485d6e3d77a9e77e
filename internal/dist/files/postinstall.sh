#!/bin/sh
# deb: "configure" and the version before, if any; rpm: 1 at the first time, else 2.
set -e
if ! getent passwd bkp >/dev/null; then
  if command -v systemd-sysusers >/dev/null; then
    systemd-sysusers /usr/lib/sysusers.d/bkp.conf
  else
    useradd --system --user-group --home-dir /var/lib/bkp --no-create-home --shell /usr/sbin/nologin bkp
  fi
fi
# Not in the package: rpm would reset owner and mode at every upgrade.
[ -d /etc/bkp ] || install -d -m 0750 -o root -g bkp /etc/bkp
[ -d /var/lib/bkp ] || install -d -m 0700 /var/lib/bkp
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || true
fi
