#!/bin/sh
# Makes .venv from requirements.lock. A half-made one is thrown away and made again; `.venv/ready` is written last.
set -eu

say() { printf '%s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

command -v python3 >/dev/null || fail "python3 is missing: apt-get install python3 python3-venv"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "Python 3.11 or later is needed, this is $(python3 -V)"
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    [ "$(id -u)" = 0 ] || fail "Debian's python3-venv is missing: ask root for 'apt-get install python3-venv'"
    say "installing python3-venv (Debian's package)"
    said=$(mktemp)
    { apt-get update -q && apt-get install -q -y python3-venv; } >"$said" 2>&1 \
        || { tail -n 3 "$said"; rm -f "$said"; fail "apt-get could not install python3-venv"; }
    rm -f "$said"
fi

# Ports first: who has to choose others should not wait for a download before they hear so.
if [ -n "${PORT_BASE:-}" ]; then
    python3 - "$PORT_BASE" <<'PY' || exit 1
import socket, sys
base = sys.argv[1]
if not base.isdecimal() or not (1024 <= int(base) <= 15900 or 33000 <= int(base) <= 65000):
    sys.exit(f"error: PORT_BASE={base} is not allowed. Use 1024 to 15900, or 33000 to 65000.")
for kind, offsets in ((socket.SOCK_DGRAM, (0, 10, 11)), (socket.SOCK_STREAM, (0, 1, 2, 3, 4, 5))):
    for offset in offsets:
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", int(base) + offset))
            except OSError:
                sys.exit(f"error: port {int(base) + offset} is in use. Choose others: make run PORT_BASE=14060")
PY
fi

rm -rf .venv
packages=$(grep -c '^[a-zA-Z0-9]' requirements.lock)
say "installing $packages Python packages into .venv (about 250 MB, half a minute on a fast line)"
python3 -m venv .venv || fail "cannot make .venv in $(pwd)"
log=.venv/setup.log
.venv/bin/python -m pip install --disable-pip-version-check --no-compile --require-hashes --progress-bar off \
    -r requirements.lock >"$log" 2>&1 &
pip=$!
trap 'kill $pip 2>/dev/null; exit 130' INT TERM
seconds=0
while kill -0 $pip 2>/dev/null; do
    sleep 1
    seconds=$((seconds + 1))
    if [ $((seconds % 5)) -eq 0 ]; then
        if grep -q '^Installing' "$log"; then say "  unpacking them (${seconds} s)"
        else say "  $(grep -c '^Collecting' "$log") of $packages fetched (${seconds} s)"; fi
    fi
done
wait $pip || fail "$(grep -m 1 ERROR "$log" || tail -n 1 "$log") (see $log)"
.venv/bin/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e . >>"$log" 2>&1 \
    || fail "cannot install the connector itself (see $log)"
# Bytecode for everything, on all processors: a process that has to compile what it imports takes two seconds longer to
# start. Where PYTHONDONTWRITEBYTECODE is set, or another user runs it, it would each time.
.venv/bin/python -m compileall -q -j 0 .venv/lib connector lab >>"$log" 2>&1 || true  # some packages test syntax errors
touch .venv/ready
