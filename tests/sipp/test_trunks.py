"""Two connectors back to back, each with an Asterisk and a store of its own: Skype Connect, whole, on the wire."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest

from connector.billing import profiles
from connector.clock import SystemClock
from connector.core import refusals
from connector.core.sip import Options
from connector.core.trunks import endpoint_of
from connector.routing import trunks
from lab import client, process
from lab.client import Client, Line
from lab.far_end import NUMBERS
from lab.instance import remove
from lab.load import Bench, Outcome
from lab.ports import HOST, free_udp_port
from lab.run import endpoint_state
from lab.sample import TRUNK
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
    assert at_client.caller_id == at_provider.caller_id == "+442079460300"
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
        # A registration by TCP is tried again after 30 s, and once more if it was by the connection that is gone.
        assert process.waited(lambda: bench.supervisor.ready() and branch.supervisor.ready(), 100, 0.2)
        for line in lines(branch):
            row = ("+442079460300", "", NUMBERS["answered"])
            out = branch.sipp("both-ways/network.xml", row, branch.instance.ports.sip, port=line.phone_port).start()
            assert out.wait(20).successful == 1
            into = bench.sipp(
                "both-ways/network.xml", ("+442079460999", "", line.number), bench.instance.ports.carrier
            ).start()
            assert into.wait(20).counts.get("answered") == 1


def wire(port: int, method: str, user: str, password: str, source_port: int = 0) -> list[tuple[int, str]]:
    """What an Asterisk answers to a request, and to it once more with credentials: status, and what tells who is who.

    Everything that is new each time (tags, branches, nonces) is left out.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.bind((HOST, source_port))
        link.settimeout(3)
        own = link.getsockname()[1]
        answers, challenge = [], ""
        for sequence in (1, 2):
            uri = f"sip:+442079460001@{HOST}:{port}" if method == "INVITE" else f"sip:{HOST}:{port}"
            lines = [
                f"{method} {uri} SIP/2.0",
                f"Via: SIP/2.0/UDP {HOST}:{own};branch=z9hG4bK-{uuid.uuid4().hex};rport",
                f"From: <sip:{user}@{HOST}>;tag=a1",
                f"To: <sip:{user}@{HOST}>",
                f"Call-ID: {uuid.uuid4().hex}",
                f"CSeq: {sequence} {method}",
                f"Contact: <sip:{user}@{HOST}:{own}>",
                "Max-Forwards: 70",
                *([f"Authorization: {authorization(challenge, method, uri, user, password)}"] if challenge else []),
                "Content-Length: 0",
            ]
            link.sendto(("\r\n".join(lines) + "\r\n\r\n").encode(), (HOST, port))
            text = link.recv(65_535).decode()
            while text.startswith("SIP/2.0 100"):
                text = link.recv(65_535).decode()
            head = dict(line.split(": ", 1) for line in text.split("\r\n")[1:] if ": " in line)
            challenge = head.get("WWW-Authenticate", "")
            told = re.sub(r'(nonce|opaque)="[^"]*"', "", challenge)
            answers.append((int(text.split()[1]), f"{sorted(head)} {told} {head.get('Server', '')}"))
        return answers


def authorization(challenge: str, method: str, uri: str, user: str, password: str) -> str:
    """The answer to a digest challenge (RFC 2617, with qop=auth)."""
    words = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
    first = hashlib.md5(f"{user}:{words['realm']}:{password}".encode()).hexdigest()
    second = hashlib.md5(f"{method}:{uri}".encode()).hexdigest()
    response = hashlib.md5(f"{first}:{words['nonce']}:00000001:abcd:auth:{second}".encode()).hexdigest()
    return (
        f'Digest username="{user}", realm="{words["realm"]}", nonce="{words["nonce"]}", uri="{uri}", algorithm=MD5,'
        f' response="{response}", qop=auth, nc=00000001, cnonce="abcd", opaque="{words.get("opaque", "")}"'
    )


@pytest.mark.parametrize("method", ["REGISTER", "INVITE"])
def test_who_does_not_exist_is_refused_like_who_errs(bench: Bench, method: str) -> None:
    """Wrong password, unknown user, a PBX's address from the wrong port, and its user from the wrong address: the same
    answers to the letter, so that nobody learns who exists.
    """
    known, port = bench.profiles[1], bench.instance.ports.sip
    right_port = free_udp_port()
    by_address = bench.in_store(
        lambda: profiles.create_profile(
            f"by address {method}", 1, "asterisk", SystemClock().now_ms(), at=(HOST, right_port)
        )
    )
    elsewhere = bench.in_store(
        lambda: profiles.create_profile(
            f"elsewhere {method}", 1, "asterisk", SystemClock().now_ms(), at=("127.0.0.77", right_port)
        )
    )
    assert process.waited(lambda: endpoint_state(bench.instance, elsewhere.username) is not None, 15)
    answers = {
        "wrong password": wire(port, method, known.username, "wrong"),
        "unknown user": wire(port, method, "pnobodyatall", "wrong"),
        "wrong port": wire(port, method, by_address.username, "wrong"),
        "wrong address": wire(port, method, elsewhere.username, "wrong"),
    }
    assert [status for status, _ in answers["unknown user"]] == [401, 401]
    for who, got in answers.items():
        assert got == answers["unknown user"], who
    if method == "INVITE":  # from the right port it is not challenged; it has no money
        bench.new_cdrs()
        assert wire(port, method, "anybody", "", right_port)[0][0] == refusals.NO_CREDIT.sip_status
        assert process.waited(lambda: f"by address {method}" in {c.profile for c in bench.new_cdrs()}, 5)
    for made in (by_address, elsewhere):
        bench.in_store(lambda m=made: profiles.set_state(m.username, "suspended"))  # type: ignore[misc]
    bench.settle(Outcome("refused"), "after it")
    bench.new_cdrs()


def test_both_passwords_are_good_for_a_while(bench: Bench) -> None:
    """On the wire: rotated, the PBX signs in by either; when the overlap is over by the new one only."""
    now = SystemClock().now_ms
    first = bench.in_store(lambda: profiles.create_profile("rotated", 1, "asterisk", now()))
    port = bench.instance.ports.sip
    assert process.waited(lambda: endpoint_state(bench.instance, first.username) is not None, 15)
    assert wire(port, "REGISTER", first.username, first.password)[1][0] == 200
    second = bench.in_store(lambda: profiles.rotate("rotated", now(), 9_000))
    assert process.waited(lambda: wire(port, "REGISTER", first.username, second.password)[1][0] == 200, 10, 0.3)
    assert wire(port, "REGISTER", first.username, first.password)[1][0] == 200
    assert process.waited(lambda: wire(port, "REGISTER", first.username, first.password)[1][0] == 401, 25, 0.5)
    assert wire(port, "REGISTER", first.username, second.password)[1][0] == 200


def test_a_pbx_is_heard_from_its_networks_only(bench: Bench) -> None:
    """With an ACL, who asks from elsewhere is refused like who does not exist, though the password is right."""
    made = bench.in_store(
        lambda: profiles.create_profile(
            "fenced", 1, "asterisk", SystemClock().now_ms(), options=Options(acl=("192.0.2.0/24",))
        )
    )
    assert process.waited(lambda: endpoint_state(bench.instance, made.username) is not None, 15)
    answers = wire(bench.instance.ports.sip, "REGISTER", made.username, made.password)
    assert answers == wire(bench.instance.ports.sip, "REGISTER", "pnobodyatall", "wrong")


def test_all_calls_of_a_profile_can_be_hung_up(bench: Bench) -> None:
    """Drained it takes no new calls and those that are up go on, until they are ended by a word."""
    outcome = bench.begin("hang up all")
    held = bench.caller(HOLD, 3, 10, profile=1, hold_s=30).start()
    bench.until(outcome, "3 calls are up", lambda: bench.answered() == 3, 10)
    bench.in_store(lambda: profiles.set_state("warehouse", "draining"))
    try:
        refused = bench.caller(HOLD, 1, 1, profile=1).start().wait(20)
        assert refused.counts.get("refused") == 1
        assert bench.answered() == 3
        words = ("--config", str(bench.instance.settings_path), "profile", "hang-up", "warehouse")
        said = subprocess.run([sys.executable, "-m", "connector", *words], capture_output=True, text=True, check=True)
        assert "3 calls ended" in said.stdout
    finally:
        bench.in_store(lambda: profiles.set_state("warehouse", "open"))
    held.wait(40)
    cdrs = bench.end(outcome)
    assert sorted(cdr.ending for cdr in cdrs) == ["ok", "ok", "ok", "refused"]
    assert outcome.problems == []


def test_the_next_trunk_is_tried_when_one_fails(bench: Bench) -> None:
    """One that nobody listens at, one that answers 503, and then the carrier, which carries the call and is named."""
    outcome = bench.begin("failover")
    now, port = SystemClock().now_ms(), free_udp_port()
    for name, host, where, how in (("nobody", "127.0.0.9", 9, "tcp"), ("busy", HOST, port, "udp")):
        options = Options(transport=how, qualify_s=0)
        bench.in_store(partial(trunks.create_trunk, name, host, where, now, options=options))
    bench.in_store(lambda: trunks.change(TRUNK, place=2))
    assert process.waited(lambda: endpoint_state(bench.instance, endpoint_of("busy")) is not None, 15)
    refuses = bench.sipp("trunks/unavailable.xml", ("", "", ""), bench.instance.ports.sip, port=port).start()
    try:
        result = bench.caller(HOLD, 1, 1, hold_s=1).start().wait(30)
        assert result.counts.get("answered") == 1, result.why()
        assert refuses.wait(10).successful == 1
        (cdr,) = bench.end(outcome)
        assert (cdr.trunk, cdr.ending, cdr.called) == (TRUNK, "ok", NUMBERS["answered"])
    finally:
        refuses.end()
        bench.in_store(lambda: trunks.change(TRUNK, place=1))
        for name in ("nobody", "busy"):
            bench.in_store(lambda n=name: trunks.remove(n))  # type: ignore[misc]
    assert outcome.problems == []


def test_asterisk_counts_too(bench: Bench) -> None:
    """A second guard, which does without the connector: of two calls of a profile with one channel, the second gets no
    carrier leg, although it comes past the gate.
    """
    carrier = f"PJSIP/{endpoint_of(TRUNK)}-"
    bench.begin("guard")
    with process.stopped(bench.supervisor.pid("connector")):  # which ends legs that are in no book
        for _ in range(2):
            originated(bench)
        assert process.waited(lambda: any(leg["name"].startswith(carrier) for leg in bench.legs()), 5)
        settled = process.waited(lambda: len(bench.legs()) == 3, 5)  # both halves of one Local channel, one carrier leg
        assert settled, [leg["name"] for leg in bench.legs()]
        for leg in bench.legs():
            bench.hang_up(leg["id"])
        assert process.waited(lambda: bench.legs() == [], 5)


def originated(bench: Bench) -> None:
    """Have Asterisk make a call past the gate, in the name of a profile with one channel; it rings for long."""
    variables = {
        "CONNECTOR_CALL": "guard",
        "CONNECTOR_GUARD_S": "20",
        "CONNECTOR_CHANNELS": "1",
        "__CONNECTOR_PROFILE": "pguarded",
        "CONNECTOR_TRIES": f"{NUMBERS['no_answer']}@{endpoint_of(TRUNK)}",
        "CONNECTOR_FAILOVER": "503",
    }
    local = f"Local/{quote(NUMBERS['no_answer'])}@connector-dial/n"
    where = f"endpoint={local}&context=connector-over&extension=over&priority=1&formats=alaw"
    word = base64.b64encode(f"connector:{bench.instance.secrets.ari}".encode()).decode()
    request = urllib.request.Request(
        f"http://{HOST}:{bench.instance.ports.ari}/ari/channels?{where}",
        data=json.dumps({"variables": {f"_{name.lstrip('_')}": value for name, value in variables.items()}}).encode(),
        headers={"Authorization": f"Basic {word}", "Content-Type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200
