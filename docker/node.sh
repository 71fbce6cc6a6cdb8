#!/bin/sh
# docker compose exec kamailio node out 2: the second node gets no new calls, those that it has go on; "in" is the reverse.
set -eu

case "${1:-}" in
out) state=d ;;
in) state=ap ;;
*) state= ;;
esac
place=$(echo "$NODES" | cut -d " " -f "${2:-0}" 2>/dev/null) || place=
if [ -z "$state" ] || [ -z "$place" ]; then
	echo "usage: node out|in 1|2" >&2
	exit 2
fi
kamcmd -s unix:/tmp/kamailio_ctl dispatcher.set_state "$state" 1 "sip:$place"
echo "node ${2}: $1"
