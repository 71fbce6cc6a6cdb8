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

rm -rf .venv
say "making .venv from requirements.lock"
python3 -m venv .venv || fail "cannot make .venv in $(pwd)"
log=.venv/setup.log
.venv/bin/python -m pip install --disable-pip-version-check --no-compile --require-hashes -r requirements.lock >"$log" 2>&1 &
pip=$!
trap 'kill $pip 2>/dev/null; exit 130' INT TERM
seconds=0
while kill -0 $pip 2>/dev/null; do
    sleep 1
    seconds=$((seconds + 1))
    [ $((seconds % 5)) -ne 0 ] || say "  $(tail -n 1 "$log" | cut -c1-90) (${seconds} s)"
done
wait $pip || fail "$(grep -m 1 ERROR "$log" || tail -n 1 "$log") (see $log)"
.venv/bin/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e . >>"$log" 2>&1 \
    || fail "cannot install the connector itself (see $log)"
touch .venv/ready
