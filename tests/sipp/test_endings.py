"""How a call's end reaches the books, when it is not the ordinary one."""

from __future__ import annotations

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
    assert first.ended_at >= second.ended_at - 1000


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
