"""What happens to calls when a part dies: it fails closed, and what was up goes on."""

from __future__ import annotations

import os
import signal
import time

from lab import process
from lab.load import Bench

UP_LIMIT_S = 15


def ready_again(bench: Bench) -> bool:
    """Start again what died, and wait until calls are decided."""
    return process.waited(lambda: bool(bench.supervisor.tend()) or bench.supervisor.ready(), UP_LIMIT_S, 0.2) and (
        process.waited(bench.supervisor.ready, UP_LIMIT_S, 0.1)
    )


def test_with_the_connector_killed_calls_go_on_and_new_ones_are_refused(bench: Bench) -> None:
    """kill -9: talking calls talk on, a new call gets 503 at once; started again, it follows them to their CDRs."""
    outcome = bench.begin("connector killed")
    held = bench.caller("hold-and-refuse/caller.xml", 10, 20, hold_s=15).start()
    bench.until(outcome, "ten calls are up", lambda: bench.answered() == 10, 5)
    os.kill(bench.supervisor.pid("connector"), signal.SIGKILL)
    began = time.monotonic()
    refused = bench.caller("hold-and-refuse/caller.xml", 3, 10).start().wait(20)
    assert refused.counts["refused"] == 3
    assert time.monotonic() - began < 4
    assert len(bench.legs()) == 20
    assert ready_again(bench)
    assert bench.live() == 10
    result = held.wait(30)
    assert (result.successful, result.counts["answered"]) == (10, 10)
    cdrs = bench.end(outcome)
    assert outcome.problems == []
    assert [cdr.ending for cdr in cdrs] == ["ok"] * 10
    assert [cdr.duration_ms for cdr in cdrs if not 14_500 < cdr.duration_ms < 16_500] == []


def test_calls_that_ended_while_the_connector_was_dead_are_settled_from_asterisks_journal(bench: Bench) -> None:
    """Nobody heard their end, and some nobody heard answered: Asterisk wrote it all down, to the millisecond."""
    outcome = bench.begin("ended unheard")
    held = bench.caller("hold-and-refuse/caller.xml", 5, 20, hold_s=3).start()
    bench.until(outcome, "five calls are up", lambda: bench.answered() == 5, 5)
    late = bench.caller("hold-and-refuse/caller.xml", 2, 20, "answers_late", hold_s=2).start()
    bench.until(outcome, "two more ring", lambda: bench.live() == 7, 5)
    os.kill(bench.supervisor.pid("connector"), signal.SIGKILL)
    assert (held.wait(30).successful, late.wait(30).successful) == (5, 2)
    assert bench.live() == 7
    assert ready_again(bench)
    cdrs = bench.end(outcome)
    assert outcome.problems == []
    assert [(cdr.ending, cdr.cause) for cdr in cdrs] == [("ok", 16)] * 7
    assert all(cdr.other_leg for cdr in cdrs)
    assert sorted(round(cdr.duration_ms / 1000) for cdr in cdrs) == [2, 2, 3, 3, 3, 3, 3]


def test_a_connector_that_is_silent_admits_nothing(bench: Bench) -> None:
    """SIGSTOP: the gate's timeout in Asterisk refuses new calls within seconds; awake again, all is as before."""
    outcome = bench.begin("connector silent")
    os.kill(bench.supervisor.pid("connector"), signal.SIGSTOP)
    try:
        began = time.monotonic()
        refused = bench.caller("hold-and-refuse/caller.xml", 3, 10).start().wait(20)
        assert refused.counts["refused"] == 3
        assert time.monotonic() - began < 12
    finally:
        os.kill(bench.supervisor.pid("connector"), signal.SIGCONT)
    assert process.waited(bench.supervisor.ready, UP_LIMIT_S, 0.1)
    bench.settle(outcome, "after it woke")
    assert bench.caller("hold-and-refuse/caller.xml", 1, 1).start().wait(20).counts["answered"] == 1
    cdrs = bench.end(outcome)
    assert outcome.problems == []
    assert len({cdr.gate_leg for cdr in cdrs}) == len(cdrs)
    assert {cdr.refusal for cdr in cdrs} <= {None, "not_ready"}


def test_with_asterisk_killed_every_call_leaves_the_store(bench: Bench) -> None:
    """kill -9 of Asterisk: when it is back, calls without a leg are closed, and new ones are admitted."""
    outcome = bench.begin("Asterisk killed")
    held = bench.caller("hold-and-refuse/caller.xml", 5, 20, hold_s=30).start()
    bench.until(outcome, "five calls are up", lambda: bench.answered() == 5, 5)
    os.kill(bench.supervisor.pid("asterisk"), signal.SIGKILL)
    held.end()
    assert ready_again(bench)
    bench.settle(outcome, "after Asterisk came back")
    assert bench.caller("hold-and-refuse/caller.xml", 1, 1).start().wait(20).counts["answered"] == 1
    cdrs = bench.end(outcome)
    assert outcome.problems == []
    assert sorted(cdr.ending for cdr in cdrs) == ["estimated"] * 5 + ["ok"]
