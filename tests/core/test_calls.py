"""The life of a call, event by event."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core.calls import Ending, Progress

# what happened, in order -> ending, duration in ms.  d: B is dialled, a: A is answered, A/B: that leg ends, c: cut off,
# l: A is lost sight of; the number behind a letter is the time, and behind ':' the cause.
LIVES = """
d1 a10 A20:16 B20:16            -> ok 10
d1 a10 B20:16 A21:16            -> ok 11
d1 a10 A20:16 B900:16           -> ok 890
d1 B5:17 A5:17                  -> busy 0
d1 B5:19 A5:19                  -> no_answer 0
d1 B5:16 A5:127                 -> no_answer 0
d1 B5:0 A5:0                    -> no_answer 0
d1 B5:1 A5:1                    -> failed 0
d1 B5:34 A5:34                  -> failed 0
A3:20                           -> failed 0
d1 a10 A60:102 B60:102          -> cut_off 50
d1 B50:19 A60:102               -> no_answer 0
d1 a10 l40 B40:16               -> estimated 30
d1 a10 a12 A20:16 A30:16 B20:16 -> ok 10
d1 a30 A20:16 B20:16            -> ok 0
"""


def live(words: str) -> Progress:
    """Play one line of the table."""
    call = Progress("A")
    for word in words.split():
        at, _, cause = word[1:].partition(":")
        match word[0]:
            case "d":
                call.leg_dialled("B")
            case "a":
                call.leg_answered("A", int(at))
            case "l":
                call.leg_ended("A", int(at), None, seen=False)
            case leg:
                call.leg_ended(leg, int(at), int(cause))
    return call


@pytest.mark.parametrize("line", LIVES.strip().splitlines())
def test_every_life_has_one_ending(line: str) -> None:
    """What Asterisk said decides how the call ended and how long it was."""
    words, _, wanted = line.partition("->")
    call = live(words)
    assert call.over
    assert f"{call.ending} {call.duration_ms}" == wanted.strip()


def test_a_call_is_not_over_while_a_leg_is_up() -> None:
    """After a transfer the gate leg is gone and the other talks on: the channel stays taken."""
    call = Progress("A")
    call.leg_dialled("B")
    call.leg_answered("A", 5)
    call.leg_ended("A", 10, 16)
    assert not call.over
    call.leg_ended("B", 90, 16)
    assert call.over
    assert call.duration_ms == 85


def test_an_answer_nobody_saw_is_an_estimate() -> None:
    """A leg that is found up was answered at some time unknown: the CDR says that its figures are estimated."""
    call = Progress("A")
    call.leg_answered("A", 50, seen=False)
    call.leg_ended("A", 70, 16)
    assert (call.ending, call.duration_ms) == (Ending.ESTIMATED, 20)


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["dialled", "answered", "ended A", "ended B", "lost A", "stepped"]), st.integers(0, 1000)
    ),
    max_size=30,
)


@given(EVENTS)
def test_any_order_and_repetition_of_events_gives_a_sane_call(events: list[tuple[str, int]]) -> None:
    """Whatever the order: never a negative duration, answered once, over for good once it is over."""
    call = Progress("A")
    answered = False
    for what, at in events:
        before = (call.over, call.ended_at, call.answered_at)
        if what == "dialled" and not call.over:
            call.leg_dialled("B")
        elif what == "answered":
            call.leg_answered("A", at)
            answered = True
        elif what.startswith("ended"):
            call.leg_ended(what[-1], at, 16)
        elif what == "lost A":
            call.leg_ended("A", at, None, seen=False)
        elif what == "stepped":
            talked = call.duration_ms
            call.clock_stepped(at - 500)
            assert call.duration_ms == talked
            continue
        assert call.duration_ms >= 0
        assert (call.answered_at is None) == (not answered)
        if before[0]:
            assert (call.over, call.ended_at) == before[:2]
    assert call.ending in Ending


def test_a_transferred_call_is_answered_by_the_leg_it_dials() -> None:
    """Its gate leg talked before it came: that is no answer; the carrier's is, and money runs from there."""
    call = Progress("A", transferred=True)
    assert not call.leg_answered("A", 1)
    call.leg_dialled("B")
    assert not call.leg_answered("C", 5)
    assert call.leg_answered("B", 10)
    call.leg_ended("B", 30, 16)
    call.leg_ended("A", 30, 16)
    assert (call.ending, call.duration_ms) == (Ending.OK, 20)


# what was heard of an unanswered call, in order -> ending, who hung up.  B/C: that leg is dialled, b/c: its far end
# hangs up, g: the gate leg's does, t: the dialplan tells of a try (the SIP answer behind it, "r" if it rang out)
GIVEN_UP = """
B b t603 g      -> failed callee
B b g t603      -> failed callee
B b g t486      -> busy callee
B g             -> no_answer caller
B C b g         -> no_answer caller
B b t503 C g    -> no_answer caller
B b t503 C c g t604 -> failed callee
B t408r g       -> no_answer us: not answered in time
B g t408r       -> no_answer us: not answered in time
"""


@pytest.mark.parametrize("line", GIVEN_UP.strip().splitlines())
def test_who_ended_a_call_that_nobody_answered(line: str) -> None:
    """A caller who gives up ends it, unless the far end refused before: in whichever order the two are heard."""
    words, _, wanted = line.partition("->")
    call = Progress("A")
    for word in words.split():
        match word[0]:
            case "B" | "C":
                call.leg_dialled(word)
            case "t":
                call.leg_tried(int(word[1:4]), rang_out=word.endswith("r"))
            case who:
                call.leg_hung_up("A" if who == "g" else who.upper())
    for leg in [*call.legs]:
        call.leg_ended(leg, 5, 0)
    assert f"{call.ending} {call.hung_up_by}" == wanted.strip()
