#!/bin/sh
# deb: "remove" or "upgrade"; rpm: how many versions stay. A backup that is being made
# goes on, also at an upgrade: only what would start another is disabled.
set -e
case "$1" in
remove|deconfigure|0)
  if [ -d /run/systemd/system ]; then
    systemctl --no-reload disable --now 'bkp.timer' 'bkp-prune.timer' 'bkp-recover.service' || true
    systemctl list-units --all --plain --no-legend 'bkp-drill@*.timer' | while read -r unit _; do
      systemctl --no-reload disable --now "$unit" || true
    done
  fi
  ;;
esac
