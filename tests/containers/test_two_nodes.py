"""The store in PostgreSQL, then a second node and Kamailio before both: each in containers of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import containers, process
from lab.containers import Stack
from lab.root import Program
from tests.containers.office import Office, phones, set_up, talking

EVERYTHING = ("connector", "asterisk", "connector-2", "asterisk-2", "postgres", "kamailio")
DISPATCHER, SECOND = 15070, 15062


@pytest.fixture(scope="module")
def stack(images: tuple[str, ...]) -> Iterator[Stack]:
    """One node, on PostgreSQL."""
    found = Stack(images, {"COMPOSE_PROFILES": "postgres"})
    found.end()
    try:
        found.do("up", "--detach")
        found.comes_up("postgres", "connector", "asterisk")
        yield found
    finally:
        found.end()


@pytest.fixture(scope="module")
def office(stack: Stack, caller: Program, tmp_path_factory: pytest.TempPathFactory) -> Office:
    """Set up on it."""
    return set_up(stack, caller, tmp_path_factory.mktemp("sipp"))


@pytest.fixture(scope="module")
def nodes(office: Office) -> Office:
    """With a second node, and Kamailio."""
    office.stack.words["COMPOSE_PROFILES"] = "kamailio"
    office.stack.do("up", "--detach")
    office.stack.comes_up(*EVERYTHING)
    known = process.waited(
        lambda: office.username in office.stack.asterisk("pjsip show endpoints", "asterisk-2"), 20, 1
    )
    assert known
    return office


def test_the_books_are_in_postgresql_and_a_crash_of_it_ends_no_call(office: Office) -> None:
    """Killed under a call: the call goes on, and is charged when PostgreSQL is back."""
    stack = office.stack
    settings = stack.within("connector", "cat", "/etc/asterisk-connector/connector.toml")
    assert "postgresql://connector@postgres/connector" in settings
    with phones(office) as (pbx, carrier):
        out, _ = talking(pbx, carrier)
        assert process.waited(lambda: len(office.live()) == 1, 5)
        stack.kill("postgres")
        stack.comes_up("postgres", "connector")
        assert out.bye() == 200
    cdr = office.cdrs(1)[0]
    assert (cdr["ending"], cdr["price_micros"] > 0) == ("ok", True)
    assert through(office, office.port, 2) == Counter(asterisk=2)


def test_a_store_in_a_file_is_not_left_behind_by_a_change_of_profile(stack: Stack) -> None:
    """With a store in a file and PostgreSQL asked for, it says so, and takes no call on empty books."""
    file = "/var/lib/asterisk-connector/connector.db"
    stack.within("connector", "touch", file)
    stack.do("restart", "connector")
    told = f"error: there are books in {file}, and COMPOSE_PROFILES in docker/.env says PostgreSQL"
    assert process.waited(lambda: any(told in line for line in stack.said("connector")), 20, 0.5)
    stack.do("stop", "connector")
    stack.do("run", "--rm", "--no-deps", "connector", "rm", file)
    stack.do("start", "connector")
    stack.comes_up("connector", "asterisk")


def test_nothing_of_it_runs_as_root(nodes: Office) -> None:
    """PostgreSQL and Kamailio neither; and nobody outside reaches PostgreSQL."""
    found = {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in nodes.stack.containers()}
    assert set(found) == set(EVERYTHING)
    for name, each in found.items():
        ids = Path(f"/proc/{each['State']['Pid']}/status").read_text()
        assert "Uid:\t0" not in ids and "NoNewPrivs:\t1" in ids, name
    assert not any(found["postgres"]["NetworkSettings"]["Ports"].values())


def test_kamailio_spreads_calls_over_both(nodes: Office) -> None:
    """One address for the PBX; each node has some of its calls, and all end well."""
    assert min(through(nodes, DISPATCHER, 20)[node] for node in ("asterisk", "asterisk-2")) >= 3


def test_a_node_that_is_cut_off_has_no_calls_until_it_is_back(nodes: Office) -> None:
    """Off the network with its connector: the other one has all calls, without a refusal."""
    stack = nodes.stack
    with containers.cut_off(stack, {"asterisk-2": "20", "connector-2": "21"}):
        assert through(nodes, DISPATCHER, 8) == Counter({"asterisk": 8})
    stack.comes_up("connector-2", "asterisk-2")
    assert process.waited(lambda: through(nodes, DISPATCHER, 6)["asterisk-2"] > 0, 30, 1)


def test_what_is_killed_of_the_second_node_or_kamailio_comes_back(nodes: Office) -> None:
    """Kamailio and the second node's connector killed: calls go on, and their hang-ups arrive. Its Asterisk killed: its
    call is over, and booked. Docker starts each again, and both nodes have calls.
    """
    stack, before = nodes.stack, len(nodes.stack.connector("cdr", "list", "--limit", "1000"))
    carrier = nodes.carrier()
    calls = [
        nodes.caller(calls=1, hold_s=25, to_port=SECOND, port=5082).start(),
        nodes.caller(calls=1, hold_s=25, to_port=DISPATCHER, port=5084).start(),
    ]
    assert process.waited(lambda: len(nodes.live()) == 2, 5, 0.5)
    for service in ("connector-2", "kamailio"):
        stack.kill(service)
    stack.comes_up("connector-2", "asterisk-2", "kamailio")
    assert len(nodes.live()) == 2, "it took longer than the calls"
    assert [call.wait(60).successful for call in calls] == [1, 1]
    assert [(cdr["ending"], cdr["hung_up_by"]) for cdr in nodes.cdrs(before + 2)[:2]] == [("ok", "caller")] * 2
    lost = nodes.caller(calls=1, hold_s=60, to_port=SECOND, port=5082).start()
    talks = [("asterisk-2", True)]
    assert process.waited(lambda: [(call["node"], bool(call["answered_at"])) for call in nodes.live()] == talks, 5, 0.5)
    stack.kill("asterisk-2")
    stack.comes_up("asterisk-2", "connector-2")
    assert process.waited(lambda: nodes.live() == [], 30, 0.5)
    lost.end()
    carrier.end()
    (cdr, *_) = nodes.cdrs(before + 3)
    # It was answered a moment before: nothing is charged for what nobody knows.
    assert (cdr["node"], cdr["ending"]) == ("asterisk-2", "estimated")
    assert nodes.stack.connector("ledger", "verify")["problems"] == []
    assert process.waited(lambda: through(nodes, DISPATCHER, 6)["asterisk-2"] > 0, 30, 1)


def test_one_node_gets_new_images_with_calls_up_on_both(nodes: Office) -> None:
    """An upgrade without a pause: Kamailio leaves one node out, and its call ends normally while the other node takes
    all new calls; then it gets calls again.
    """
    stack, before = nodes.stack, len(nodes.stack.connector("cdr", "list", "--limit", "1000"))
    newer = Stack(stack.compose, {**stack.words, "VERSION": "newer"})
    for target in ("asterisk", "connector"):
        containers.tag(target, "newer")
    carrier = nodes.carrier()
    calls = [
        nodes.caller(calls=1, hold_s=60).start(),  # to the first node, and to the second
        nodes.caller(calls=1, hold_s=30, to_port=SECOND, port=5082).start(),
    ]
    assert process.waited(lambda: sorted(each["node"] for each in nodes.live()) == ["asterisk", "asterisk-2"], 5, 0.5)
    stack.within("kamailio", "node", "out", "2")
    with containers.begun(newer, "up", "--detach", "--no-deps", "--no-build", "asterisk-2", "connector-2") as done:
        new = nodes.caller(calls=8, rate=4, to_port=DISPATCHER, hold_s=0.2, port=5083, limit=8).start().wait(30)
        assert (new.successful, new.counts.get("refused", 0)) == (8, 0), new.why()
        assert calls[1].wait(60).successful == 1
        assert done.wait(60) == 0
    newer.comes_up("connector-2", "asterisk-2")
    stack.within("kamailio", "node", "in", "2")
    assert [each["node"] for each in nodes.live()] == ["asterisk"]
    assert calls[0].wait(90).successful == 1
    carrier.end()
    assert [cdr["ending"] for cdr in nodes.cdrs(before + 10)[:10]] == ["ok"] * 10
    assert process.waited(lambda: through(nodes, DISPATCHER, 6)["asterisk-2"] > 0, 30, 1)


def test_a_stop_of_everything_lets_a_call_by_kamailio_end(nodes: Office) -> None:
    """PostgreSQL and Kamailio are there until it is over: it is paid further, its BYE arrives, its CDR is right."""
    stack, before = nodes.stack, len(nodes.stack.connector("cdr", "list", "--limit", "1000"))
    carrier = nodes.carrier()
    call = nodes.caller(calls=1, hold_s=15, to_port=DISPATCHER, port=5084).start()
    assert process.waited(lambda: len(nodes.live()) == 1, 5, 0.5)
    stack.do("stop")
    assert call.wait(1).successful == 1, "it was over before the stop was"
    carrier.end()
    stack.do("start")
    stack.comes_up(*EVERYTHING)
    (cdr, *_) = nodes.cdrs(before + 1)
    assert (cdr["ending"], cdr["hung_up_by"], 14_000 < cdr["duration_ms"] < 17_000) == ("ok", "caller", True)


def test_down_leaves_the_books_and_everything_is_there_again(nodes: Office) -> None:
    """Both nodes, the credit, the CDRs."""
    stack = nodes.stack
    before, kept = nodes.cdrs(1), stack.volumes()
    stack.do("down")
    assert stack.volumes() == kept
    stack.do("up", "--detach")
    stack.comes_up(*EVERYTHING)
    assert nodes.cdrs(1) == before
    assert stack.connector("ledger", "verify")["problems"] == []
    assert sum(through(nodes, SECOND, 2).values()) == 2


def through(office: Office, port: int, count: int) -> Counter[str]:
    """So many calls by a port, one after the other; how many each node had that were answered."""
    known = {cdr["id"] for cdr in office.stack.connector("cdr", "list", "--limit", "1000")}
    carrier = office.carrier()
    office.caller(calls=count, rate=4, to_port=port, hold_s=0.2, port=5081, tolerant=True).start().wait(60)
    carrier.end()
    assert process.waited(lambda: office.live() == [], 15, 0.5)
    found = office.stack.connector("cdr", "list", "--limit", "1000")
    return Counter(cdr["node"] for cdr in found if cdr["id"] not in known and cdr["ending"] == "ok")
