"""baresip, a phone that is not ours, over UDP, TCP and TLS with SRTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from connector.clock import SystemClock
from lab import baresip, client, process
from lab.baresip import Baresip
from lab.far_end import NUMBERS
from lab.load import Bench
from lab.ports import HOST
from lab.run import ASTERISK_HOME, endpoint_state

TRANSPORTS = {"udp": "+442079460600", "tcp": "+442079460601", "tls": "+442079460602"}


@contextmanager
def registered(bench: Bench, folder: Path, transport: str) -> Iterator[tuple[Baresip, str]]:
    """baresip, registered by a transport as the PBX of a profile of its own; and the number of that."""
    number, now = TRANSPORTS[transport], SystemClock().now_ms()
    issued = bench.in_store(lambda: client.issue(f"baresip-{transport}", transport, number, now))
    assert process.waited(lambda: endpoint_state(bench.instance, issued.username) is not None, 10, 0.1)
    port = bench.instance.ports.tls if transport == "tls" else bench.instance.ports.sip
    account = (
        f"<sip:{issued.username}@{HOST}:{port};transport={transport}>;auth_user={issued.username}"
        f";auth_pass={issued.password};regint=60;audio_codecs=pcma;answermode=manual"
        + (";mediaenc=srtp-mand" if transport == "tls" else "")
    )
    with baresip.running(ASTERISK_HOME / "baresip", folder, account) as phone:
        assert process.waited(lambda: endpoint_state(bench.instance, issued.username) == "online", 10, 0.1)
        yield phone, number


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_baresip_calls_holds_transfers_and_is_called(bench: Bench, tmp_path: Path, transport: str) -> None:
    """It registers, calls, holds and goes on, transfers a call to another number, and answers a call in; each is a
    call with the right CDR, and nothing is left.
    """
    outcome = bench.begin(f"baresip by {transport}")
    port = bench.instance.ports.tls if transport == "tls" else bench.instance.ports.sip

    def uri(name: str) -> str:
        return f"sip:{NUMBERS[name]}@{HOST}:{port}"

    with registered(bench, tmp_path, transport) as (phone, number):
        phone.command("dial", uri("answered"))
        phone.heard("CALL_ESTABLISHED")
        for command in ("hold", "resume"):
            phone.command(command)
            phone.heard("CALL_REMOTE_SDP")
        phone.command("hangup")
        phone.heard("CALL_CLOSED")
        bench.until(outcome, "a CDR", lambda: len(bench.new_cdrs()) == 1, 5)
        phone.command("dial", uri("answered"))
        phone.heard("CALL_ESTABLISHED")
        bench.until(outcome, "Asterisk has joined its legs", lambda: bench.talking() == 1, 5)
        phone.command("transfer", uri("answered_us"))
        phone.heard("CALL_CLOSED")
        bench.until(outcome, "both calls go on", lambda: bench.live() == bench.answered() == 2, 5)
        for leg in bench.legs():
            bench.hang_up(leg["id"])
        bench.until(outcome, "their CDRs", lambda: len(bench.new_cdrs()) == 3, 5)
        run = bench.sipp("both-ways/network.xml", ("+442079460999", "", number), bench.instance.ports.carrier, calls=1,
                         rate=1).start()  # fmt: skip
        phone.heard("CALL_INCOMING")
        phone.command("accept")
        phone.heard("CALL_ESTABLISHED")
        phone.heard("CALL_CLOSED", 15)
        assert run.wait(20).successful == 1
    cdrs = bench.end(outcome)
    assert outcome.problems == []
    expected = {
        (NUMBERS["answered"], "ok", "out", "caller"),
        (NUMBERS["answered"], "ok", "out", "us"),  # transferred, and ended by the test
        (NUMBERS["answered_us"], "ok", "out", "us"),
        (number, "ok", "in", "caller"),
    }
    assert {(cdr.called, cdr.ending, cdr.direction, cdr.hung_up_by) for cdr in cdrs} == expected
