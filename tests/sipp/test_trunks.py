"""Two connectors back to back, each with an Asterisk and a store of its own: Skype Connect, whole, on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.billing import profiles
from lab import client, process
from lab.client import Client, Line
from lab.far_end import NUMBERS
from lab.instance import remove
from lab.load import Bench, Outcome
from tests.conftest import free_base

HOLD = "hold-and-refuse/caller.xml"


@pytest.fixture(scope="module")
def branch(running_bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A client connector, registered with the lab's by UDP, TCP and TLS."""
    folder = Path(f"/tmp/connector-branch-{tmp_path_factory.getbasetemp().name}")
    with client.running(running_bench, folder, free_base(20)) as made:
        yield made
        names = [profile.name for profile in running_bench.in_store(profiles.list_profiles)]
        assert {f"branch-{transport}" for transport in client.TRANSPORTS} <= set(names)
    remove(folder)


def lines(branch: Bench) -> list[Line]:
    """The ways between the two."""
    supervisor = branch.supervisor
    assert isinstance(supervisor, Client)
    return supervisor.lines


@pytest.fixture(params=client.TRANSPORTS)
def line(request: pytest.FixtureRequest, branch: Bench) -> Line:
    """One of them."""
    return next(line for line in lines(branch) if line.transport == request.param)


@pytest.fixture
def leaks(branch: Bench) -> Iterator[Outcome]:
    """After the test nothing is up at the client either."""
    found = Outcome("leaks of the client")
    yield found
    branch.settle(found, "after the test")
    assert found.problems == []


def test_a_call_out_passes_both_gates(bench: Bench, branch: Bench, line: Line, leaks: Outcome) -> None:
    """Phone, client, provider, carrier: answered, one CDR at each end, of the same length, paid at both; the caller's
    number goes along beside the user that the provider knows.
    """
    here, there = branch.begin("out at the client"), bench.begin("out at the provider")
    row = ("+442079460300", "", NUMBERS["answered"])
    result = branch.sipp(
        "both-ways/network.xml", row, branch.instance.ports.sip, port=line.phone_port, hold_s=2
    ).start()
    assert result.wait(20).successful == 1
    (at_client,), (at_provider,) = branch.end(here), bench.end(there)
    assert (at_client.ending, at_client.direction, at_client.profile) == ("ok", "out", f"line-{line.transport}")
    assert (at_provider.ending, at_provider.direction, at_provider.profile) == ("ok", "out", f"branch-{line.transport}")
    assert at_client.called == at_provider.called == NUMBERS["answered"]
    assert abs(at_client.duration_ms - at_provider.duration_ms) < 200
    assert at_client.price_micros
    assert at_provider.price_micros
    assert here.problems == there.problems == []


def test_a_call_in_finds_the_dialplan_of_the_client(bench: Bench, branch: Bench, line: Line, leaks: Outcome) -> None:
    """Carrier, provider, client, and on in its admin's own dialplan by the number that was called; free at both."""
    here, there = branch.begin("in at the client"), bench.begin("in at the provider")
    row = ("+442079460999", "", line.number)
    result = bench.sipp("both-ways/network.xml", row, bench.instance.ports.carrier, hold_s=2).start().wait(20)
    assert result.counts.get("answered") == 1, result.why()
    (at_client,), (at_provider,) = branch.end(here), bench.end(there)
    assert (at_client.ending, at_client.direction, at_client.profile) == ("ok", "in", f"line-{line.transport}")
    assert (at_provider.ending, at_provider.direction, at_provider.profile) == ("ok", "in", f"branch-{line.transport}")
    assert at_client.called == line.number
    assert at_client.price_micros == at_provider.price_micros == 0
    assert here.problems == there.problems == []


def test_the_line_comes_back_after_a_restart_of_either_side(bench: Bench, branch: Bench, leaks: Outcome) -> None:
    """The client's Asterisk, and the provider's, killed and started again: registered, and calls go both ways."""
    assert isinstance(branch.supervisor, Client)
    for which in (branch, bench):
        which.supervisor.forgive()
        process.end(process.identify(which.supervisor.pid("asterisk")))
        assert process.waited(lambda w=which: w.supervisor.tend() != [], 10)  # type: ignore[misc]
        assert process.waited(lambda: bench.supervisor.ready() and branch.supervisor.ready(), 60, 0.2)
        for line in lines(branch):
            row = ("+442079460300", "", NUMBERS["answered"])
            out = branch.sipp("both-ways/network.xml", row, branch.instance.ports.sip, port=line.phone_port).start()
            assert out.wait(20).successful == 1
            into = bench.sipp(
                "both-ways/network.xml", ("+442079460999", "", line.number), bench.instance.ports.carrier
            ).start()
            assert into.wait(20).counts.get("answered") == 1
