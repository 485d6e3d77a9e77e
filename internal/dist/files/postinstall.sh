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
case "$1:$2" in
configure:|1:*) chgrp bkp /etc/bkp ;; # later it is the administrator's to decide
esac
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || true
fi
