"""How a call's end reaches the books, when it is not the ordinary one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import aiohttp
import pytest

from lab import process
from lab.far_end import NUMBERS
from lab.load import Bench


def test_a_transferred_call_keeps_its_channel_until_its_last_leg_is_gone(bench: Bench) -> None:
    """The PBX sends the far side on to a second number and leaves: two legs to the carrier talk, on two channels.

    The second is admitted through the gate, in the profile's name. When the talk ends, so do both calls.
    """
    outcome = bench.begin("transfer")
    words = {"transfer_to": NUMBERS["answered"]}
    result = bench.caller("transfer/caller.xml", 1, 1, words=words, tolerant=True).start().wait(30)
    assert (result.successful, result.counts["answered"]) == (1, 1), result.why()
    bench.until(outcome, "two legs talk, and two calls are up", lambda: len(bench.legs()) == 2 and bench.live() == 2, 5)
    assert outcome.problems == []
    bench.hang_up(bench.legs()[0]["id"])
    first, second = sorted(bench.end(outcome), key=lambda cdr: cdr.started_at)
    assert outcome.problems == []
    assert (first.profile, second.profile) == ("office", "office")
    assert (first.direction, second.direction) == ("out", "out")
    assert second.gate_leg == first.other_leg
    assert (first.ending, second.ending) == ("ok", "ok")
    assert second.answered_at is not None
    assert second.started_at > first.started_at
    assert second.duration_ms > 0
    assert first.duration_ms > second.duration_ms


def test_a_carriers_leg_that_is_hung_up_ends_the_call(bench: Bench) -> None:
    """Whoever ends whichever leg: the row goes, the CDR comes, with the time talked."""
    outcome = bench.begin("hung up by the admin")
    run = bench.caller("mixed-endings/callee-first.xml", 1, 1, "answered").start()
    bench.until(outcome, "it talks", lambda: bench.answered() == 1 and len(bench.legs()) == 2, 5)
    bench.hang_up(next(leg["id"] for leg in bench.legs() if "sample-carrier" in leg["name"]))
    assert run.wait(10).successful == 1
    (cdr,) = bench.end(outcome)
    assert (cdr.ending, cdr.called, cdr.trunk) == ("ok", NUMBERS["answered"], "sample-carrier")
    assert cdr.answered_at is not None
    assert cdr.duration_ms == cdr.ended_at - cdr.answered_at
    assert cdr.started_at <= cdr.answered_at
    assert cdr.gate_leg != cdr.other_leg


def test_asterisks_own_journal_agrees_with_the_books(bench: Bench) -> None:
    """The CDR's times are Asterisk's, to a few milliseconds, and our call id is in its journal."""
    outcome = bench.begin("one call")
    assert bench.caller("hold-and-refuse/caller.xml", 1, 1, hold_s=2).start().wait(20).successful == 1
    (cdr,) = bench.end(outcome)
    journal = (bench.instance.folder / "asterisk" / "log" / "cdr-custom" / "connector.csv").read_text()
    (line,) = [line for line in journal.splitlines() if cdr.id in line]
    _, uniqueid, _, _, _, start, answer, end, disposition = (word.strip('"') for word in line.split(","))
    assert (uniqueid, disposition) == (cdr.gate_leg, "ANSWERED")
    for ours, theirs in ((cdr.started_at, start), (cdr.answered_at, answer), (cdr.ended_at, end)):
        seconds, _, micros = theirs.partition(".")
        assert abs((ours or 0) - (int(seconds) * 1000 + int(micros) // 1000)) < 100


@pytest.fixture
def short_calls(bench: Bench) -> Iterator[Bench]:
    """The lab with calls that may last three seconds."""
    with bench.with_settings("\n[calls]\nlongest_s = 3\n"):
        yield bench


def test_a_call_is_cut_off_by_asterisk_when_its_time_is_up(short_calls: Bench) -> None:
    """The guard timer is Asterisk's: the call ends after three seconds, both legs, and the CDR says `cut_off`."""
    outcome = short_calls.begin("cut off")
    run = short_calls.caller("mixed-endings/callee-first.xml", 1, 1, "answered").start()
    assert run.wait(15).successful == 1
    (cdr,) = short_calls.end(outcome)
    assert outcome.problems == []
    assert cdr.ending == "cut_off"
    assert 2_500 < cdr.duration_ms < 3_500


def test_after_a_transfer_there_is_still_a_timer(short_calls: Bench) -> None:
    """Two carrier legs that talk with nobody of ours between them end when their time is up."""
    outcome = short_calls.begin("transfer and time")
    words = {"transfer_to": NUMBERS["answered"]}
    run = short_calls.caller("transfer/caller.xml", 1, 1, words=words, tolerant=True).start()
    assert run.wait(30).successful == 1
    assert len(short_calls.end(outcome)) == 2
    assert outcome.problems == []


def test_both_sides_hang_up_at_once(bench: Bench) -> None:
    """The far side hangs up after a second, and so does the caller: one CDR each, all `ok`, nothing left."""
    outcome = bench.begin("both at once")
    run = bench.caller("hold-and-refuse/caller.xml", 40, 40, "hangs_up", hold_s=1, tolerant=True)
    run.start().wait(60)
    cdrs = bench.end(outcome)
    assert outcome.problems == []
    assert [cdr.ending for cdr in cdrs] == ["ok"] * 40


async def take_the_application(bench: Bench) -> None:
    """Another program opens a websocket with our application's name, and leaves again."""
    ari = f"http://127.0.0.1:{bench.instance.ports.ari}/ari/events?app=connector"
    word = aiohttp.encode_basic_auth("connector", bench.instance.secrets.ari)
    async with aiohttp.ClientSession() as session, session.ws_connect(ari, headers={"Authorization": word}) as socket:
        await socket.ping()


def test_a_taken_application_is_taken_back(bench: Bench) -> None:
    """Somebody else takes the application and leaves: calls are refused meanwhile, and decided again within seconds."""
    outcome = bench.begin("application taken")
    asyncio.run(take_the_application(bench))
    assert process.waited(lambda: not bench.supervisor.ready(), 5)
    refused = bench.caller("hold-and-refuse/caller.xml", 1, 1).start().wait(20)
    assert refused.counts["refused"] == 1
    assert process.waited(bench.supervisor.ready, 15)
    assert bench.caller("hold-and-refuse/caller.xml", 1, 1).start().wait(20).counts["answered"] == 1
    bench.end(outcome)
    assert outcome.problems == []
