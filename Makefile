# Everything a person or a machine starts here. `make run` and `make test` set up what they need.

# Without bytecode each process that is started would compile what it imports again.
unexport PYTHONDONTWRITEBYTECODE

PORT_BASE ?= 15060
SECONDS ?= 600
PY := .venv/bin/python
PINNED := --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --universal

.PHONY: help run start stop test test-containers unit bench load soak chaos nodes sim check catalogue lock release clean

help:  ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "make %-15s %s\n", $$1, $$2}' Makefile

.venv/ready: requirements.lock pyproject.toml lab/setup.sh
	@PORT_BASE=$(if $(filter run start,$(MAKECMDGOALS)),$(PORT_BASE)) sh lab/setup.sh

run: .venv/ready  ## start everything, place two calls, show their CDRs, stay up until Ctrl-C
	@exec $(PY) -m lab run --port-base $(PORT_BASE)

start: .venv/ready  ## the same in the background
	@$(PY) -m lab start --port-base $(PORT_BASE)

stop:  ## end what `make run` or `make start` started, whatever is left of it
	@if [ -x $(PY) ]; then $(PY) -m lab stop; else echo "nothing runs: there is no .venv yet"; fi

test: .venv/ready  ## everything, on a real Asterisk
	@$(PY) -m lab test

test-containers: .venv/ready  ## the images of docker/, built and called from outside: needs a Docker Engine and root
	@$(PY) -m lab containers

unit: .venv/ready  ## the tests that need no Asterisk, in eight minutes
	@$(PY) -m lab unit

load: .venv/ready  ## the 300-channel limit, with progress, a table and var/load.json
	@$(PY) -m lab load

bench: .venv/ready  ## how fast it is, beside a bare dialplan and the disk, and var/bench.json: QUICK=1 a part of it
	@$(PY) -m lab bench $(if $(QUICK),--quick) $(if $(KEEP),--keep)

soak: .venv/ready  ## many processes on one store, killed at random: SECONDS=600, SEED=n
	@$(PY) -m lab soak --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

chaos: .venv/ready  ## break everything once under calls, with a table of what must hold
	@$(PY) -m lab chaos

nodes: .venv/ready  ## two nodes on one PostgreSQL: break what can break, and a hundred times a thousand calls at once
	@$(PY) -m lab nodes

sim: .venv/ready  ## a thousand runs in virtual time with faults at every await: SEED=n repeats one, COUNT=n
	@$(PY) -m lab sim $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--count $(COUNT))

check: .venv/ready  ## style and types only
	@.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy

catalogue: .venv/ready  ## bring the translators' files up to date with the texts of the code
	@$(PY) -m lab.catalogue

lock:  ## pin every requirement again, with hashes and without addresses
	uv pip compile -q --extra dev $(PINNED) pyproject.toml -o requirements.lock
	uv pip compile -q --extra build -c requirements.lock $(PINNED) pyproject.toml -o requirements-service.lock
	uv pip compile -q $(PINNED) requirements-api-client.in -o requirements-api-client.lock

release: .venv/ready  ## sdist, wheel and Debian package from the last commit, with checksums in dist/, and its tag
	@$(PY) -m lab release

clean: stop  ## back to a clean clone
	rm -rf .venv .asterisk var build dist *.egg-info
