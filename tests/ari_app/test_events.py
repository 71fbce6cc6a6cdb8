"""Asterisk's events, as they were caught from a real one (README: "An event for a test")."""

from __future__ import annotations

import json

import pytest

from connector.ari_app import events

CHANNEL = """{"id":"lab-1.0","name":"PJSIP/p-00000000","state":"%s","caller":{"name":"","number":"100"},
 "connected":{"name":"","number":""},"accountcode":"","dialplan":{"context":"connector-from-profile","exten":"+442079460001",
 "priority":2,"app_name":"Stasis","app_data":"connector,out,p"},"creationtime":"2026-11-22T19:51:54.000+0000","language":"en"}"""
AT = "2026-11-22T19:51:54.250+0000"
MS = 1_795_377_114_250


def event(kind: str, state: str = "Ring", **fields: object) -> dict[str, object]:
    """One event with a channel in it."""
    return {"type": kind, "timestamp": AT, "channel": json.loads(CHANNEL % state), **fields}


def test_a_call_at_the_gate() -> None:
    """The dialplan's words are apart from the network's."""
    assert events.parse(event("StasisStart", args=["out", "p"])) == events.CallOffered(
        "lab-1.0", False, ("out", "p"), "+442079460001", "100", MS - 250, MS
    )


def test_a_leg_that_answers_and_one_that_rings() -> None:
    """Only `Up` is an answer."""
    assert events.parse(event("ChannelStateChange", "Up")) == events.LegAnswered("lab-1.0", MS)
    assert events.parse(event("ChannelStateChange", "Ringing")) == events.LegRings("lab-1.0", MS)
    assert events.parse(event("ChannelStateChange", "Ring")) is None


def test_a_leg_that_is_hung_up_by_its_far_end() -> None:
    """Not by Asterisk, which calls its own hang-ups soft."""
    assert events.parse(event("ChannelHangupRequest", "Up", cause=16)) == events.LegHungUp("lab-1.0", MS)
    assert events.parse(event("ChannelHangupRequest", "Up", cause=16, soft=True)) == events.LegHungUp(
        "lab-1.0", MS, soft=True
    )


def test_a_leg_that_ends() -> None:
    """With its Q.850 cause, and whether it had been answered."""
    busy = events.parse(event("ChannelDestroyed", "Ring", cause=17, cause_txt="User busy"))
    talked = events.parse(event("ChannelDestroyed", "Up", cause=16, cause_txt="Normal Clearing"))
    assert (busy, talked) == (events.LegEnded("lab-1.0", MS, 17, False), events.LegEnded("lab-1.0", MS, 16, True))


def test_a_trunk_that_failed() -> None:
    """The dialplan tells it, with the SIP answer; other people's user events say nothing to us."""
    message = event("ChannelUserevent", "Ring", eventname="ConnectorTried")
    said = {"eventname": "ConnectorTried", "Endpoint": "connector-two", "Answer": "0503", "Status": "CONGESTION"}
    message["userevent"] = said
    assert events.parse(message) == events.TrunkTried("connector-two", 503, "lab-1.0", MS)
    message["userevent"] = said | {"Answer": "0180", "Status": "NOANSWER"}
    assert events.parse(message) == events.TrunkTried("connector-two", 180, "lab-1.0", MS, rang_out=True)
    for answer in (480, 483):  # Dial's status is the same as after a time limit, but the far end ended the call
        message["userevent"] = said | {"Answer": f"0{answer}", "Status": "NOANSWER"}
        assert events.parse(message) == events.TrunkTried("connector-two", answer, "lab-1.0", MS)
    message["userevent"] = said | {"Answer": "0", "Status": "NOANSWER"}  # it said nothing at all
    assert events.parse(message) == events.TrunkTried("connector-two", 0, "lab-1.0", MS)
    message["eventname"] = "SomebodyElses"
    assert events.parse(message) is None


def test_a_leg_that_is_dialled() -> None:
    """It belongs to the leg that dials; one that nobody dials (an originate) belongs to none."""
    peer = {**json.loads(CHANNEL % "Down"), "id": "lab-1.1", "name": "PJSIP/connector-two-0000002a"}
    message = {"type": "Dial", "timestamp": AT, "dialstatus": "", "peer": peer, "caller": json.loads(CHANNEL % "Ring")}
    assert events.parse(message) == events.LegDialled("lab-1.0", "lab-1.1", MS, "connector-two")
    del message["caller"]
    assert events.parse(message) is None


def test_what_does_not_concern_us_is_nothing() -> None:
    """Kinds we did not ask for are passed over, whatever is in them."""
    assert events.parse({"type": "ChannelVarset"}) is None
    assert events.parse({"type": "ApplicationReplaced"}) == events.ApplicationReplaced()


@pytest.mark.parametrize("message", [{"type": "ChannelDestroyed"}, {"type": "StasisStart", "timestamp": "soon"}])
def test_an_event_that_is_not_as_documented_is_an_error(message: dict[str, object]) -> None:
    """It is not guessed at."""
    with pytest.raises((KeyError, ValueError)):
        events.parse(message)
