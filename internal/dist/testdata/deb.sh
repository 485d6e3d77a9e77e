# Installs, uses, upgrades, removes and purges the package for Debian. /job has the
# commands of the quickstart and the test's program, too. system.sh comes first.
echo "== a Bitbucket at https://bitbucket.example.com, with PostgreSQL"
printf '127.0.0.1 localhost bitbucket.example.com db.example.com\n' >/etc/hosts
pg_ctlcluster 15 main start
postgres() { runuser -u postgres -- "$@"; }
await postgres psql -c 'SELECT 1'
postgres psql -q -c "CREATE ROLE bitbucket LOGIN PASSWORD 'hunter2'" -c 'CREATE DATABASE bitbucket OWNER bitbucket'
home=/var/atlassian/application-data/bitbucket
mkdir -p /var/atlassian/application-data /srv/bitbucket
ln -s /srv/bitbucket $home
systemd-run --quiet --unit=bitbucket -p User=root /job/bitbucket-sandbox serve --dir /srv/bitbucket --listen 127.0.0.1:7990 --control 127.0.0.1:7991 \
  --user backup --password 'the password of the administrator' --postgres 'postgres://bitbucket:hunter2@db.example.com:5432/bitbucket' --writers 2 --drain 50ms --ready-file /run/ready
systemd-run --quiet --unit=proxy -E PROXY_TO=http://127.0.0.1:7990 /job/test -test.run '^TestProxy$' -test.timeout=0
await test -e /run/ready
await test -s /etc/ssl/certs/ca-certificates.crt
echo "== the quickstart, literally"
cat commands
bash -euo pipefail commands || fail "the quickstart"
/job/bitbucket-sandbox check /srv/restored/home 'postgres://bitbucket:hunter2@127.0.0.1:5432/restored' || fail "what was restored"

echo "== what the package brought"
is "root:bkp 750" stat -c '%U:%G %a' /etc/bkp
is "root:root 700" stat -c '%U:%G %a' /var/lib/bkp
is "root:root 755" stat -c '%U:%G %a' /usr/bin/bkp
is "root:root 644" stat -c '%U:%G %a' /usr/lib/systemd/system/bkp.service
is "/var/lib/bkp /usr/sbin/nologin" sh -c "getent passwd bkp | cut -d: -f6,7 | tr : ' '"
is "" dpkg -V bkp
is "disabled" systemctl is-enabled bkp.timer
for file in /usr/share/man/man1/bkp-apply.1.gz /usr/share/bash-completion/completions/bkp /usr/share/doc/bkp/sbom.json; do
  dpkg -L bkp | grep -qxF $file || fail "$file is not in the package"
done
is "" systemd-analyze verify --man=no bkp.service bkp.timer bkp-drill@prod.service bkp-drill@prod.timer bkp-prune.service bkp-prune.timer bkp-recover.service

echo "== its units, in their sandbox"
install -m 600 /usr/share/bkp/secrets.env.example /etc/bkp/secrets.env
echo "BITBUCKET_BACKUP_PASSWORD='the password of the administrator'" >>/etc/bkp/secrets.env
backups() { bkp -C /etc/bkp list --json | grep -c '"status":"complete"'; }
is 1 backups
run bkp.service
is 2 backups
is full systemctl show --value -p ProtectSystem bkp.service
journalctl --no-pager -u bkp.service | grep -q 'tracked with fanotify' || fail "the sandbox took the tracking away: $(journalctl --no-pager -u bkp.service)"
run bkp-drill@prod.service
journalctl --no-pager -u bkp-drill@prod.service | tail -4
run bkp-prune.service
run bkp-recover.service
systemctl enable --quiet --now bkp.timer bkp-drill@prod.timer bkp-prune.timer
systemctl enable --quiet bkp-recover.service
is 3 sh -c "systemctl list-timers --no-legend 'bkp*' | wc -l"

echo "== homes and archives of other kinds, in the sandbox"
cp /etc/bkp/main.bkp.hcl /root/main
sed -i -e 's/home "mirror"/home "rsync"/' -e 's/home\.mirror\./home.rsync./' -e 's/archive "tar"/archive "tree"/' -e 's/archive\.tar\./archive.tree./' \
  -e 's,/backup/archives,/srv/trees,' /etc/bkp/main.bkp.hcl
sed -i '/^archive "tree"/a  copy = true' /etc/bkp/main.bkp.hcl
mkdir -p /srv/trees
run bkp.service
[ -n "$(ls /srv/trees)" ] || fail "no backup in the folder of trees"
journalctl --no-pager -u bkp.service | grep -q 'home\.rsync\.' || fail "home rsync was not used"
cp /root/main /etc/bkp/main.bkp.hcl

echo "== a run that is killed under the lock: its guardian outlives the unit"
killed

echo "== an upgrade, in the middle of a run"
drain 3000ms
sum=$(cat /etc/bkp/* | sha256sum)
systemctl start --no-block bkp.service
await locked
dpkg -i "$(cat next)"
is activating systemctl is-active bkp.service
await sh -c '[ "$(systemctl is-active bkp.service)" = inactive ]'
is success systemctl show --value -p Result bkp.service
is "1.1.0" dpkg-query -W -f '${Version}' bkp
is "$sum" sh -c 'cat /etc/bkp/* | sha256sum'
is active systemctl is-active bkp.timer
is enabled systemctl is-enabled bkp-recover.service
is "root:root 700" stat -c '%U:%G %a' /var/lib/bkp
drain 50ms
run bkp.service

echo "== removed, purged"
kept=$(find /etc/bkp /backup /srv/trees -type f | sort | sha256sum)
dpkg -r bkp
[ ! -e /usr/bin/bkp ] || fail "the program is still there"
for timer in bkp.timer bkp-drill@prod.timer bkp-prune.timer; do is inactive systemctl is-active $timer; done
is 0 sh -c "find /etc/systemd/system -name 'bkp*' | wc -l"
dpkg --purge bkp
is "$kept" sh -c 'find /etc/bkp /backup /srv/trees -type f | sort | sha256sum'
[ -d /var/lib/bkp/catalog ] || fail "the list of backups is gone"
echo "all of it"
