"""What comes from the network, and gets nowhere."""

from __future__ import annotations

import pytest

from connector.billing import profiles
from connector.clock import SystemClock
from lab import client, process, sipp
from lab.load import Bench
from lab.ports import HOST, free_udp_port
from lab.run import endpoint_state

NUMBER = "+442079460670"

DIALLED = [
    "abc",
    "0",
    "+44207",
    "+442079460001%2CPJSIP/evil",
    "%24%7BSHELL(id)%7D",
    "+442079460001%26PJSIP",
    "s",
    "*97",
]


def call(bench: Bench, scenario: str, row: tuple[str, str, str]) -> sipp.Result:
    """One call with a row of its own."""
    return bench.sipp(scenario, row, bench.instance.ports.sip).start().wait(20)


@pytest.mark.parametrize("dialled", DIALLED)
def test_strings_that_mean_something_to_a_dialplan_are_refused(bench: Bench, dialled: str) -> None:
    """Whatever is dialled that is no number gets 484, a CDR, and no leg to a carrier."""
    outcome = bench.begin("hostile")
    profile = bench.profiles[0]
    row = (profile.username, sipp.authentication(profile.username, profile.password), dialled)
    result = call(bench, "hostile/caller.xml", row)
    assert result.successful == 1, result.why()
    (cdr,) = bench.end(outcome)
    assert (cdr.refusal, cdr.profile, cdr.other_leg, cdr.called) == ("number_invalid", "office", None, None)


@pytest.mark.parametrize("dialled", ["%ff", "+44207%ff", "%ff%29%3a9", "%ff%29%29%3a%3a-1", "%ff%7d%3a9", "%ff%22%2c"])
def test_a_number_that_is_no_text_is_refused_and_blinds_nobody(bench: Bench, dialled: str) -> None:
    """By the dialplan itself, however it tries to end the function that looks at it: Asterisk would drop the event that
    offers such a call, and could not list its channels while it is there.
    """
    outcome = bench.begin("a byte that is no text")
    profile = bench.profiles[0]
    row = (profile.username, sipp.authentication(profile.username, profile.password), dialled)
    result = call(bench, "hostile/caller.xml", row)
    assert result.successful == 1, result.why()
    assert bench.legs() == []
    assert bench.end(outcome) == []


def test_a_call_id_that_is_no_text_is_refused_and_blinds_nobody(bench: Bench) -> None:
    """A byte that is no UTF-8 would make Asterisk drop the event, and answer "list all channels" with an error."""
    outcome = bench.begin("hostile Call-ID")
    profile = bench.profiles[0]
    row = (profile.username, sipp.authentication(profile.username, profile.password), "+442079460001")
    words = {"call_id_mark": "\udcffx///"}
    run = bench.sipp("hostile/caller.xml", row, bench.instance.ports.sip, words=words).start()
    result = run.wait(20)
    assert result.successful == 1, result.why()
    assert bench.ari("/channels") is not None
    assert bench.end(outcome) == []
    assert outcome.problems == []


def test_a_pbx_may_put_a_callers_number_into_from(bench: Bench) -> None:
    """It is known by the user it authenticates as; the caller's number is in the CDR."""
    outcome = bench.begin("caller id")
    profile = bench.profiles[0]
    row = ("+442079460100", sipp.authentication(profile.username, profile.password), "+442079460001")
    result = call(bench, "first-call/outgoing.xml", row)
    assert result.successful == 1, result.why()
    (cdr,) = bench.end(outcome)
    assert (cdr.caller_id, cdr.profile, cdr.ending) == ("+442079460100", "office", "ok")


@pytest.mark.parametrize("who", ["the profile", "nobody"])
def test_wrong_credentials_are_refused_alike(bench: Bench, who: str) -> None:
    """401 again, whether the user exists or not; no call, no CDR."""
    outcome = bench.begin("wrong password")
    username = bench.profiles[0].username if who == "the profile" else "pnobodyatall"
    row = (username, sipp.authentication(username, "wrong"), "+442079460001")
    result = call(bench, "hostile/wrong-password.xml", row)
    assert result.successful == 1, result.why()
    assert bench.end(outcome) == []


@pytest.fixture(scope="module")
def alone(running_bench: Bench) -> profiles.Credentials:
    """A profile whose PBX is nobody but the test: the lab's own PBXs register as others, and again when they like."""
    now = SystemClock().now_ms()
    made = running_bench.in_store(lambda: client.issue("hostile", "udp", NUMBER, now))
    assert process.waited(lambda: endpoint_state(running_bench.instance, made.username) is not None, 10, 0.1)
    return made


def called(bench: Bench, *, tolerant: bool = False) -> sipp.Running:
    """Somebody in the telephone network calls its number."""
    row, port = ("+442079460999", "", NUMBER), bench.instance.ports.carrier
    return bench.sipp("both-ways/network.xml", row, port, calls=1, rate=1, tolerant=tolerant).start()


def test_a_registered_contact_is_one_destination_whatever_stands_in_it(
    bench: Bench, alone: profiles.Credentials
) -> None:
    """A contact with `&` in it does not make a call in ring, or pay for, anybody else."""
    outcome = bench.begin("hostile contact")
    row = (alone.username, sipp.authentication(alone.username, alone.password), "")
    contact = f"sip:x@{HOST}:9;y=z&PJSIP/connector-sample-carrier"
    words = {"contact": contact}
    registered = bench.sipp("hostile/register.xml", row, bench.instance.ports.sip, words=words).start().wait(20)
    assert registered.successful == 1, registered.why()
    run = called(bench)
    bench.until(outcome, "the call is up", lambda: bench.live() == 1, 5)
    assert (
        len([leg for leg in bench.legs() if leg["name"].startswith("PJSIP/connector-sample-carrier")]) == 1
    )  # the caller's
    assert bench.answered() == 0
    run.end()
    legs = sorted(bench.legs(), key=lambda leg: leg["name"].startswith("PJSIP/connector-sample-carrier"))
    bench.hang_up(legs[0]["id"])  # the PBX's: the caller hears that it cannot be reached
    (cdr,) = bench.end(outcome)
    assert (cdr.direction, cdr.ending) == ("in", "failed")


def test_a_redirect_by_the_pbx_is_not_followed(bench: Bench, alone: profiles.Credentials) -> None:
    """A 302 whose Contact names a technology and a trunk dials nobody."""
    outcome = bench.begin("redirect")
    port = free_udp_port()
    row = (alone.username, sipp.authentication(alone.username, alone.password), "")
    register = bench.sipp(
        "hostile/register.xml", row, bench.instance.ports.sip, port=port, words={"contact": f"sip:x@{HOST}"}
    )
    registered = register.start().wait(20)
    assert registered.successful == 1, registered.why()
    words = {"contact": "sip:PJSIP%2F%2B442079460001%40connector-sample-carrier@127.0.0.1"}
    pbx = bench.sipp("hostile/redirect.xml", row, bench.instance.ports.sip, words=words, port=port).start()
    run = called(bench, tolerant=True)
    assert pbx.wait(20).successful == 1
    assert process.waited(lambda: len(bench.new_cdrs()) == 1, 5)
    assert bench.legs() == []
    run.end()
    (cdr,) = bench.end(outcome)
    assert (cdr.direction, cdr.answered_at) == ("in", None)


def test_bytes_that_are_no_text_are_refused_before_the_gate(bench: Bench) -> None:
    """A dialled %ff would make Asterisk drop the event and refuse to list its channels: 484 at once, and no harm."""
    outcome = bench.begin("no text")
    profile = bench.profiles[0]
    row = (profile.username, sipp.authentication(profile.username, profile.password), "%ff%fe1234")
    result = call(bench, "hostile/caller.xml", row)
    assert result.successful == 1, result.why()
    assert bench.end(outcome) == []
    assert outcome.problems == []
