#!/bin/bash
# Whether HOST:PORT answers an OPTIONS at all; without a word, whether Kamailio here answers one with 200 (its health).
set -eu

place=${1:-$ADDRESS:5059}
mark=$$-$RANDOM
head=$'Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK-'$mark$';rport\r\nFrom: <sip:health@localhost>;tag=1\r\n'
head+=$'Call-ID: health-'$mark$'\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 5\r\nContent-Length: 0\r\n'
exec 3<>"/dev/udp/${place%:*}/${place##*:}"
# By cat, for it sends all of it in one piece; the here-string ends with the last line feed.
cat <<<"OPTIONS sip:$place SIP/2.0"$'\r\n'"To: <sip:$place>"$'\r\n'"$head"$'\r' >&3
answer=$(timeout 3 dd bs=2048 count=1 status=none <&3 2>/dev/null | head -n 1)  # all of the datagram in one piece, too
[[ $answer == "SIP/2.0 "* && ( -n "${1:-}" || $answer == "SIP/2.0 200"* ) ]]
