# Installs, uses, upgrades and removes the package for Red Hat, by rpm itself, and runs
# the units as the user of the package. system.sh comes first. The system is Debian, so
# nothing there provides what a package depends on, and --nodeps is needed.
echo "== a Bitbucket with its embedded database"
useradd --system --no-create-home bitbucket
install -d -o bitbucket -g bitbucket /srv/bitbucket
systemd-run --quiet --unit=bitbucket -p User=bitbucket -p RuntimeDirectory=bitbucket /job/bitbucket-sandbox serve --dir /srv/bitbucket --listen 127.0.0.1:7990 --control 127.0.0.1:7991 \
  --user backup --password secret --writers 2 --drain 50ms --ready-file /run/bitbucket/ready
await test -e /run/bitbucket/ready

echo "== what the package says of itself"
rpm --initdb
rpm -K --nosignature "$(cat old)" || fail "the digests of the package"
rpm -qpR "$(cat old)" | grep -qxF /usr/sbin/useradd || fail "useradd is not required"
rpm -i --nodeps "$(cat old)" || fail "rpm -i"
is "1.0.0" rpm -q --qf '%{VERSION}' bkp
is "" rpm -V --nodeps bkp
is "root:bkp 750" stat -c '%U:%G %a' /etc/bkp
is "root:root 700" stat -c '%U:%G %a' /var/lib/bkp
is "root:root 755" stat -c '%U:%G %a' /usr/bin/bkp
is "/var/lib/bkp /usr/sbin/nologin" sh -c "getent passwd bkp | cut -d: -f6,7 | tr : ' '"
for file in /usr/share/man/man1/bkp-apply.1.gz /usr/share/zsh/site-functions/_bkp /usr/share/doc/bkp/sbom.json /usr/lib/systemd/system/bkp.service; do
  rpm -ql bkp | grep -qxF $file || fail "$file is not in the package"
done
is "disabled" systemctl is-enabled bkp.timer

echo "== as root"
cat >/etc/bkp/main.bkp.hcl <<'HCL'
bkp {
  state_dir = "/var/lib/bkp"
}

instance "prod" {
  url      = "http://127.0.0.1:7990"
  username = "backup"
  password = env("BITBUCKET_BACKUP_PASSWORD")
  home     = home.mirror.shared
  database = database.embedded.h2
  archives = [archive.tar.local]

  retention = retention.short
}

home "mirror" "shared" {
  path = "/srv/bitbucket"
}

database "embedded" "h2" {
}

archive "tar" "local" {
  destination = "/srv/archives"
}

retention "short" {
  keep_last = 3
}
HCL
install -m 640 -g bkp /dev/null /etc/bkp/secrets.env
echo BITBUCKET_BACKUP_PASSWORD=secret >/etc/bkp/secrets.env
install -d -m 700 /srv/archives
backups() { bkp -C /etc/bkp list --json | grep -c '"status":"complete"'; }
run bkp.service
is 1 backups

echo "== as the user bkp, by the drop-in of the package"
chown -R bkp: /srv/archives
for unit in bkp bkp-drill@ bkp-prune bkp-recover; do
  install -D -m 644 /usr/share/bkp/user.conf /etc/systemd/system/$unit.service.d/user.conf
done
systemctl daemon-reload
run bkp.service
is "bkp:bkp 700" stat -c '%U:%G %a' /var/lib/bkp
is "" find /var/lib/bkp /srv/archives ! -user bkp ! -path '*/home.mirror.shared/copy/*'
journalctl --no-pager -u bkp.service | tail -n 30 | grep -q 'tracked with fanotify' || fail "changes were not tracked: $(journalctl --no-pager -u bkp.service)"
# Owners are kept: the capabilities are there.
work=$(find /var/lib/bkp/work -path '*/shared/bitbucket.properties' | head -n 1)
is bitbucket stat -c %U "$work"
for unit in bkp-drill@prod bkp-prune bkp-recover; do run $unit.service; done
# What root runs by hand afterwards does not lock the user out.
is 2 backups
run bkp.service
runuser -u bkp -- bkp -C /etc/bkp list | tail -n 5

echo "== killed under the lock, as that user"
killed

echo "== an upgrade, in the middle of a run"
systemctl enable --quiet --now bkp.timer
drain 3000ms
sum=$(cat /etc/bkp/* | sha256sum)
systemctl start --no-block bkp.service
await locked
rpm -U --nodeps "$(cat next)" || fail "rpm -U"
is activating systemctl is-active bkp.service
await sh -c '[ "$(systemctl is-active bkp.service)" = inactive ]'
is success systemctl show --value -p Result bkp.service
is "1.1.0" rpm -q --qf '%{VERSION}' bkp
is "" rpm -V --nodeps bkp
is "$sum" sh -c 'cat /etc/bkp/* | sha256sum'
is "bkp:bkp 700" stat -c '%U:%G %a' /var/lib/bkp
is active systemctl is-active bkp.timer
drain 50ms
run bkp.service

echo "== what it made is restored"
bkp -C /etc/bkp restore latest --home /srv/restored/home --auto-approve
/job/bitbucket-sandbox check /srv/restored/home embedded || fail "what was restored"
is bitbucket stat -c %U /srv/restored/home/shared/bitbucket.properties

echo "== removed"
kept=$(find /etc/bkp /srv/archives -type f | sort | sha256sum)
rpm -e bkp
[ ! -e /usr/bin/bkp ] || fail "the program is still there"
is inactive systemctl is-active bkp.timer
is 0 sh -c "find /etc/systemd/system -name 'bkp*.timer' | wc -l"
is "$kept" sh -c 'find /etc/bkp /srv/archives -type f | sort | sha256sum'
[ -d /var/lib/bkp/catalog ] || fail "the list of backups is gone"
echo "all of it"
