"""Two nodes, each an Asterisk with its connector, on one PostgreSQL."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import cluster as lab_cluster
from lab.cluster import Cluster
from lab.instance import remove
from lab.load import Outcome
from tests.conftest import free_base

# Load on both nodes at once, and how long it takes to come back: the machine is shared with nobody (lab/testing.py).
pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster of the tests' own, for all of this module."""
    folder = Path(tempfile.mkdtemp(prefix="connector-nodes-"))
    try:
        with lab_cluster.open_cluster(folder, free_base(60)) as opened:
            yield opened
    finally:
        remove(folder)


@pytest.mark.parametrize("scenario", lab_cluster.QUICK, ids=lambda scenario: scenario.__name__)
def test_what_must_hold_holds(scenario: Callable[[Cluster], Outcome], cluster: Cluster) -> None:
    """The docstring of each scenario in lab/cluster.py says what; `make nodes` shows it, and a hundred rounds more."""
    assert lab_cluster.played(cluster, scenario).problems == []
