"""The containers of docker/compose.yaml, built and started for these tests only: `make test-containers`."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from lab import containers, sipp
from lab.containers import Stack
from lab.root import Program, find_sipp
from lab.run import ASTERISK_HOME

collect_ignore_glob = [] if os.environ.get("CONNECTOR_CONTAINERS") else ["test_*.py"]


@pytest.fixture(scope="session")
def images() -> tuple[str, ...]:
    """Every image, built; what Compose is called as."""
    compose = containers.compose_command()
    containers.make_base()
    containers.build(Stack(compose))
    return compose


@pytest.fixture(scope="session")
def caller(images: tuple[str, ...]) -> Iterator[Program]:
    """SIPp, in a network namespace of its own."""
    with containers.outside():
        found = find_sipp(ASTERISK_HOME)
        yield Program(containers.from_outside(found.command), found.version)


@pytest.fixture(autouse=True)
def _end_callers() -> Iterator[None]:
    """No SIPp is left by a test that failed."""
    yield
    sipp.end_all()
