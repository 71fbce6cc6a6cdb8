#!/bin/sh
# Runs Asterisk in its container, and lets its calls end when it is told to stop.
#
# The connector's container writes /etc/asterisk, last the words of .env that it wrote it for. DRAIN_S: so many seconds
# calls may go on after a stop; Docker kills what has not stopped after stop_grace_period, which has to be longer.
set -u

etc=/etc/asterisk
words="$SIP_HOST $SIP_PORT $TLS_PORT $RTP_FIRST $RTP_LAST"
tell() { asterisk -C "$etc/asterisk.conf" -rx "$1" 2>/dev/null; }
written() { cat "$etc"/*.conf "$etc"/connector/*.conf 2>/dev/null | cksum; }
now() { date +%s; }

trap 'exit 0' TERM INT
told=
until [ "$(cat "$etc/words" 2>/dev/null)" = "$words" ]; do
	[ -n "$told" ] || echo "waiting for the connector's container, which writes $etc"
	told=yes
	sleep 0.5
done

# New calls are refused by the dialplan: the application that it hands them to is none. "core stop gracefully" would
# refuse AMI too (22.10, main/manager.c), by which the connector moves the ends of calls that are paid further.
drain() {
	trap '' TERM INT
	until=$(($(now) + ${DRAIN_S:-600}))
	echo "stopping: no new calls; those that are up may go on for ${DRAIN_S:-600} s"
	while kill -0 "$asterisk" 2>/dev/null && [ "$(now)" -lt "$until" ]; do
		tell "dialplan set global CONNECTOR_APP closed" >/dev/null
		tell "core show channels count" | grep -q "^0 active channels" && break
		sleep 1
	done
	if kill -0 "$asterisk" 2>/dev/null; then
		tell "core show channels count" | grep -q "^0 active channels" ||
			echo "the time is over: the calls that are left are ended"
		tell "core stop now" >/dev/null || kill "$asterisk"
		wait "$asterisk"
	fi
	exit 0
}

# The journal of calls and the log grow for ever otherwise. Asterisk opens the journal anew for each line.
rotate() {
	while sleep 3600; do
		logrotate --state /var/log/asterisk/.rotated /usr/local/share/asterisk-connector/logrotate.conf
	done
}

# A new image of the connector may bring another dialplan.
reload() {
	known=$(written)
	while sleep 5; do
		found=$(written)
		if [ "$found" != "$known" ]; then
			echo "the connector's container has written other config: it is loaded, and no call ends"
			tell "core reload" >/dev/null && known=$found
		fi
	done
}

umask 027
asterisk -f -C "$etc/asterisk.conf" &
asterisk=$!
trap drain TERM INT
rotate &
reload &
tail -n 0 -F /var/log/asterisk/messages.log 2>/dev/null | grep --line-buffered -v "strongly discouraged" &
wait "$asterisk"
status=$?
echo "Asterisk ended with status $status"
exit "$status"
