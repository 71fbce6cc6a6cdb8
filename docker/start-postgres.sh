#!/bin/sh
# Runs PostgreSQL in its container. The first time it makes the database, and the password by which connectors sign in.
set -eu

bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
home=/var/lib/postgresql
data=$home/data
password=/secrets/store-password

if [ ! -f "$data/PG_VERSION" ]; then
	# Made beside its place and renamed when whole: one that was cut off is made anew.
	rm -rf "$home/making"
	echo "making the database"
	umask 077
	"$bin/initdb" -D "$home/making" --encoding=UTF8 --locale=C.UTF-8 --auth-local=peer --auth-host=scram-sha-256 >/dev/null
	echo "host connector connector all scram-sha-256" >"$home/making/pg_hba.conf"
	echo "local all postgres peer" >>"$home/making/pg_hba.conf"
	if [ ! -s "$password" ]; then
		head -c 24 /dev/urandom | base64 | tr '+/' '-_' >"$password.new"
		chmod 640 "$password.new"
		mv "$password.new" "$password"
	fi
	"$bin/pg_ctl" -D "$home/making" -s -w -o "-c listen_addresses='' -c unix_socket_directories=/tmp" start
	"$bin/psql" -q -h /tmp -d postgres -v ON_ERROR_STOP=1 <<-EOF
		\set password \`cat $password\`
		CREATE ROLE connector LOGIN PASSWORD :'password';
		CREATE DATABASE connector OWNER connector;
	EOF
	"$bin/pg_ctl" -D "$home/making" -s -w -m fast stop
	mv "$home/making" "$data"
fi

if [ "$(cat "$data/PG_VERSION")" != "$(basename "$(dirname "$bin")")" ]; then
	echo "error: this database is of PostgreSQL $(cat "$data/PG_VERSION"), and the image has $(basename "$(dirname "$bin")"):" \
		"start the image that made it, and move the books by a dump (docs/containers.md)" >&2
	exit 78
fi
# A stop waits while a connector has calls up: without the store none is paid further or recorded. DRAIN_S is the limit.
drain() {
	trap '' TERM INT
	until=$(($(date +%s) + ${DRAIN_S:-600} + 20))
	calls="SELECT COUNT(*) FROM call WHERE EXISTS (SELECT 1 FROM pg_stat_activity WHERE usename = 'connector')"
	while [ "$(date +%s)" -lt "$until" ]; do
		up=$("$bin/psql" -h /tmp -d connector -At -c "$calls" 2>/dev/null) || break
		[ "$up" -gt 0 ] || break
		sleep 1
	done
	sleep 1
	kill -INT "$server"  # fast: without waiting for those who are connected
	wait "$server"
	exit 0
}

"$bin/postgres" -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp &
server=$!
trap drain TERM INT
wait "$server"
exit $?
