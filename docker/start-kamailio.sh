#!/bin/bash
# Runs Kamailio in its container, before the nodes. NODES: "HOST:PORT HOST:PORT"; ADDRESS: its own, on the network that it
# shares with the nodes; PUBLIC: HOST:PORT by which PBXs reach it. DRAIN_S: so long the nodes may take to stop.
set -eu

here=/usr/local/share/asterisk-connector
for node in $NODES; do
	echo "1 sip:$node"
done >/tmp/dispatcher.list

# A stop waits until no node answers: their calls came by here, and a BYE has to find its way.
drain() {
	trap '' TERM INT
	until=$(($(date +%s) + ${DRAIN_S:-600} + 20))
	while [ "$(date +%s)" -lt "$until" ]; do
		some=
		for node in $NODES; do
			bash "$here/answers-options.sh" "$node" && some=yes
		done
		[ -n "$some" ] || break
		sleep 1
	done
	kill "$server"
	wait "$server"
	exit 0
}

kamailio -f /etc/kamailio/kamailio.cfg -DD -E -m 32 -M 4 -Y /tmp -P /tmp/kamailio.pid \
	-A 'DISPATCHER_LIST="/tmp/dispatcher.list"' -A "INSIDE=\"udp:$ADDRESS:5059\"" \
	-l "udp:$ADDRESS:5059" -l "udp:$ADDRESS:${PUBLIC##*:}/$PUBLIC" &
server=$!
trap drain TERM INT
wait "$server"
exit $?
