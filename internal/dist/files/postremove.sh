#!/bin/sh
# Configuration, secrets and the list of backups stay, even when the package is purged:
# backups outlive the program that made them.
set -e
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || true
fi
