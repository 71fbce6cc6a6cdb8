"""What phones, PBXs and carriers that are not ours do in and around a call, on the wire (BRIEF, rules 14 to 18)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest

from connector.billing import profiles
from connector.billing.history import CdrView
from connector.clock import SystemClock
from connector.core.service_numbers import ServiceNumber
from connector.core.sip import FAILOVER, Options
from connector.errors import BadInput
from connector.routing import emergency, reachability, routes, service_numbers, trunks
from lab import process
from lab.far_end import NUMBERS
from lab.load import Bench, Outcome
from lab.phone import AUDIO, Dialog, Headers, Message, Phone, Sound, sdp
from lab.ports import HOST
from lab.sample import TRUNK
from tests.sipp.test_routes import local_route

HOLD = AUDIO + "a=sendonly\r\n"
G722 = "m=audio {port} RTP/AVP 9 8\r\na=rtpmap:9 G722/8000\r\na=rtpmap:8 PCMA/8000\r\n"
FAX = "m=image {port} udptl t38\r\na=T38FaxVersion:0\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n"
BYE = "BYE "


@pytest.fixture
def phone(bench: Bench) -> Iterator[Phone]:
    """A phone of the first profile."""
    found = bench.profiles[0]
    made = Phone(bench.instance.ports.sip, found.username, found.password)
    yield made
    made.close()


@pytest.fixture
def other(bench: Bench) -> Iterator[Phone]:
    """A phone of the second profile."""
    found = bench.profiles[1]
    made = Phone(bench.instance.ports.sip, found.username, found.password)
    yield made
    made.close()


@pytest.fixture
def carrier() -> Iterator[Phone]:
    """A carrier that says what a test wants."""
    made = Phone(0, "carrier")
    yield made
    made.close()


@pytest.fixture
def sounds() -> Iterator[list[Sound]]:
    """The media of a phone and of a carrier."""
    made = [Sound(), Sound()]
    yield made
    for each in made:
        each.close()


def only(bench: Bench, outcome: Outcome) -> CdrView:
    """The one CDR of a scenario."""
    assert process.waited(lambda: len(bench.new_cdrs()) > 0, 5, 0.1)
    (found,) = bench.end(outcome)
    assert outcome.problems == []
    return found


def _contact(message: Message) -> str:
    found = re.search(r"<([^>]+)>", message.header("Contact"))
    assert found
    return found.group(1)


def until_has(bench: Bench, text: str, *, there: bool = True) -> None:
    """Wait until the config says this, or says it no more, and Asterisk has it."""
    assert process.waited(lambda: bench.is_configured(text, there=there), 20, 0.2)


def until_registered(bench: Bench, phone: Phone) -> None:
    """The phone has the profile's contact to itself; the lab's own PBX registers again when it is started anew."""
    assert phone.register().status == 200


def hangs_up(phone: Phone, call: Dialog, limit_s: float) -> bool:
    """Whether the far side sends BYE in time; it is answered."""
    try:
        bye = phone.wait(
            lambda each: each.text.startswith(BYE) and each.header("Call-ID") == call.call_id, "BYE", limit_s
        )
    except TimeoutError:
        return False
    call.replies(bye, 200)
    return True


@contextmanager
def trunk_before(bench: Bench, carrier: Phone, name: str, **options: Any) -> Iterator[None]:
    """A trunk to that carrier, which is tried before the sample's."""
    carrier.server = bench.instance.ports.sip
    now = SystemClock().now_ms()
    speaks = Options(qualify_s=0, **options)
    bench.in_store(lambda: trunks.create_trunk(name, HOST, carrier.port, now, options=speaks, place=1))
    bench.in_store(lambda: trunks.change(TRUNK, place=2))
    until_has(bench, f"[connector-{name}]")
    try:
        yield
    finally:
        bench.in_store(lambda: trunks.remove(name))
        bench.in_store(lambda: trunks.change(TRUNK, place=1))
        until_has(bench, f"[connector-{name}]", there=False)


@contextmanager
def silence_ends_calls(bench: Bench) -> Iterator[None]:
    """A call without media ends after two seconds, and afterwards as usual."""
    with bench.with_settings("rtp_timeout_s = 2\n", after="tls_port = " + str(bench.instance.ports.tls) + "\n"):
        until_has(bench, "rtp_timeout = 2\n")
        yield
    until_has(bench, "rtp_timeout = 300\n")


@contextmanager
def codecs(bench: Bench, *names: str) -> Iterator[None]:
    """The first profile with these codecs, and afterwards with the usual ones."""
    username = bench.profiles[0].username
    bench.in_store(lambda: profiles.change(username, options={"codecs": names}))
    until_has(bench, f"allow = {','.join(names)}")
    try:
        yield
    finally:
        bench.in_store(lambda: profiles.change(username, options={"codecs": ("alaw", "ulaw")}))
        until_has(bench, f"allow = {','.join(names)}", there=False)


def test_everything_in_a_call_is_answered(bench: Bench, phone: Phone) -> None:
    """OPTIONS, empty INFO, UPDATE, hold, a re-INVITE without a body, MESSAGE: session border controllers end calls that
    do not answer. T.38 is declined, and the call goes on.
    """
    outcome = bench.begin("in a call")
    call = phone.call(NUMBERS["answered"])
    call.answered()
    said = {
        "OPTIONS": call.request("OPTIONS").status,
        "INFO": call.request("INFO").status,
        "UPDATE": call.request("UPDATE").status,
        "UPDATE with an offer": call.request("UPDATE", sdp(version=2)).status,
        "hold": call.request("INVITE", sdp(HOLD, version=3)).status,
        "and on": call.request("INVITE", sdp(version=4)).status,
        "fax": call.request("INVITE", sdp(FAX, version=5)).status,
        "late offer": call.request("INVITE").status,
        "MESSAGE": call.request("MESSAGE", "hello", {"Content-Type": "text/plain"}).status,
        "BYE": call.bye(),
    }
    assert said == dict.fromkeys(said, 200) | {"fax": 488, "MESSAGE": 202}
    assert only(bench, outcome).ending == "ok"


def test_the_pbx_side_of_a_call_in_is_answered_too(bench: Bench, phone: Phone) -> None:
    """The same from the side that was called."""
    outcome = bench.begin("in a call in")
    until_registered(bench, phone)
    run = bench.network(1, 1).start()
    call = phone.rings()
    call.picks_up()
    assert [call.request(method).status for method in ("OPTIONS", "INFO", "UPDATE")] == [200, 200, 200]
    assert hangs_up(phone, call, 10)
    assert run.wait(20).successful == 1
    cdr = only(bench, outcome)
    assert (cdr.ending, cdr.hung_up_by) == ("ok", "caller")
    bench.restart_far_end()


def test_a_phone_is_called_by_the_transport_that_it_registered_by(bench: Bench) -> None:
    """Rule 18: a phone of a UDP profile that registers over TCP calls, and is called, over TCP."""
    outcome = bench.begin("TCP")
    found = bench.profiles[0]
    phone = Phone(bench.instance.ports.sip, found.username, found.password, transport="tcp")
    try:
        until_registered(bench, phone)
        run = bench.network(1, 1).start()
        called = phone.rings()
        called.picks_up()
        assert hangs_up(phone, called, 10)
        assert run.wait(20).successful == 1
        call = phone.call(NUMBERS["answered"])
        call.answered()
        assert call.bye() == 200
        assert process.waited(lambda: len(bench.new_cdrs()) == 2, 5, 0.1)
        assert [cdr.ending for cdr in bench.end(outcome)] == ["ok", "ok"]
        assert outcome.problems == []
        phone.register(headers={"Expires": "0"})
    finally:
        phone.close()
        bench.restart_far_end()


def test_early_media_reaches_the_caller(bench: Bench, phone: Phone, carrier: Phone) -> None:
    """A carrier's announcement (183 with an answer) is passed on as such, before the call is answered or charged."""
    with trunk_before(bench, carrier, "early"):
        outcome = bench.begin("early media")
        call = phone.call(NUMBERS["answered"])
        asked = carrier.rings()
        assert asked.invited
        asked.replies(asked.invited, 183, sdp())
        early = call.status(183)
        assert "m=audio" in early.body
        asked.replies(asked.invited, 404)
        assert call.refused() == 404
        cdr = only(bench, outcome)
        assert (cdr.ending, cdr.answered_at, cdr.price_micros) == ("failed", None, 0)


def test_who_wants_provisional_answers_acknowledged_gets_them_so(bench: Bench, phone: Phone, carrier: Phone) -> None:
    """PRACK (RFC 3262), required by the caller: 180 has an RSeq, and its PRACK is answered."""
    with trunk_before(bench, carrier, "prack"):
        outcome = bench.begin("PRACK")
        call = phone.call(NUMBERS["answered"], headers={"Require": "100rel"})
        asked = carrier.rings()
        assert asked.invited
        asked.replies(asked.invited, 180)
        ringing = call.status(180, 183)
        rack = f"{ringing.header('RSeq')} {ringing.header('CSeq')}"
        invite = call.cseq
        call.remote, call.uri = ringing.header("To"), _contact(ringing)
        assert call.request("PRACK", headers={"RAck": rack}).status == 200
        last, call.cseq = call.cseq, invite
        asked.picks_up()
        call.answered()
        call.cseq = last
        assert call.bye() == 200
        assert hangs_up(carrier, asked, 5)
        assert only(bench, outcome).ending == "ok"


def test_session_timers_are_agreed(bench: Bench, phone: Phone) -> None:
    """RFC 4028: a caller that asks for one gets it, a smaller one than we take is refused with what we take, and a
    refresh keeps the call.
    """
    outcome = bench.begin("session timers")
    call = phone.call(NUMBERS["answered"], headers={"Supported": "timer", "Session-Expires": "30"})
    assert call.refused() == 422
    call = phone.call(NUMBERS["answered"], headers={"Supported": "timer", "Session-Expires": "1800;refresher=uac"})
    answer = call.answered()
    assert answer.header("Session-Expires").startswith("1800")
    refresh = {"Supported": "timer", "Session-Expires": "1800;refresher=uac"}
    assert call.request("UPDATE", headers=refresh).status == 200
    assert call.request("INVITE", sdp(), refresh).status == 200
    assert call.bye() == 200
    assert only(bench, outcome).ending == "ok"


def test_codecs_that_two_sides_do_not_share_are_converted(bench: Bench, phone: Phone) -> None:
    """G.722 first on one side, A-law on the other: they talk."""
    outcome = bench.begin("G.722 and A-law")
    with codecs(bench, "g722", "alaw"):
        call = phone.call(NUMBERS["answered"], sdp(G722))
        assert "G722" in call.answered().body
        assert not hangs_up(phone, call, 1)
        assert call.bye() == 200
        cdr = only(bench, outcome)
        assert (cdr.ending, cdr.hung_up_by, cdr.sip_status) == ("ok", "caller", 200)


def test_a_codec_that_asterisk_cannot_convert_is_refused_when_it_is_set(bench: Bench) -> None:
    """With what it can convert, for profiles and trunks; nothing is changed."""
    before = bench.config()
    for change in (
        lambda: profiles.change(bench.profiles[0].username, options={"codecs": ("g729", "alaw")}),
        lambda: trunks.change(TRUNK, options={"codecs": ("ilbc",)}),
    ):
        with pytest.raises(BadInput, match=r"cannot convert (g729|ilbc)\. It can convert alaw, ulaw, g722"):
            bench.in_store(change)
    assert bench.config() == before


ILBC = "m=audio {port} RTP/AVP 97\r\na=rtpmap:97 iLBC/8000\r\n"


def test_a_call_that_is_refused_for_its_codecs_is_in_the_history(bench: Bench, phone: Phone, carrier: Phone) -> None:
    """Asterisk refuses it before any dialplan, and tells nobody: the trunk's history does, and the PBX's. A 488 of the
    far end is that call's, and stands in its CDR.
    """
    username = bench.profiles[0].username

    def told(endpoint: str) -> bool:
        """Whether the newest line of the history tells of it."""
        found = bench.in_store(lambda: reachability.history(endpoint, 1))
        return any("none of the codecs that it may use (488)" in view.words for view in found)

    with trunk_before(bench, carrier, "ilbc"):
        outcome = bench.begin("488 by the far end")
        call = phone.call(NUMBERS["answered"])
        asked = carrier.rings()
        assert asked.invited
        asked.replies(asked.invited, 488)
        assert call.refused() == 488
        assert only(bench, outcome).sip_status == 488
        outcome = bench.begin("488 before the gate")
        assert carrier.call(bench.profiles[0].numbers[0], sdp(ILBC)).refused() == 488
        bench.until(outcome, "the trunk's history", lambda: told("connector-ilbc"), 10)
        assert not told(username)
        assert phone.call(NUMBERS["answered"], sdp(ILBC)).refused() == 488
        bench.until(outcome, "the PBX's history", lambda: told(username), 10)
        assert bench.end(outcome) == []
        assert outcome.problems == []


def test_a_held_call_lives_and_a_dead_one_ends(bench: Bench, phone: Phone) -> None:
    """Without media a call ends after `rtp_timeout_s`, and its CDR says so; on hold it goes on (rule 15)."""
    with silence_ends_calls(bench):
        outcome = bench.begin("on hold")
        call = phone.call(NUMBERS["answered"])
        call.answered()
        assert call.request("INVITE", sdp(HOLD, version=2)).status == 200
        assert not hangs_up(phone, call, 5)
        call.bye()
        assert (only(bench, outcome).ending) == "ok"
        outcome = bench.begin("no media")
        call = phone.call(NUMBERS["answered"])
        call.answered()
        assert hangs_up(phone, call, 10)
        cdr = only(bench, outcome)
        assert (cdr.ending, cdr.hung_up_by) == ("media_lost", "us: no media")


def test_the_same_invite_twice_is_one_call(bench: Bench, phone: Phone) -> None:
    """By another way (another branch): 482, without a channel, and without money."""
    outcome = bench.begin("merged request")
    call = phone.call(NUMBERS["answered"])
    phone.send(re.sub(r"branch=\w+", "branch=z9hG4bKanother", call.sent))
    finals: dict[int, Message] = {}
    while len(finals) < 2:  # whichever Asterisk reads first is the call
        final = call.wait(lambda each: each.status >= 200 and each.status != 401, "two final answers")
        finals[final.status] = final
    assert set(finals) == {200, 482}
    call.remote = finals[200].header("To")
    call.ack()
    assert bench.live() == 1
    assert call.bye() == 200
    found = {cdr.ending: cdr for cdr in bench.end(outcome)}
    assert set(found) == {"ok", "refused"}
    assert (found["refused"].refusal, found["refused"].price_micros, found["refused"].trunk) == (
        "duplicate",
        None,
        None,
    )


def test_nobody_takes_over_anothers_call(bench: Bench, phone: Phone, other: Phone) -> None:
    """INVITE with Replaces by another profile: it gets no call, and there is nobody to talk at the first one's cost."""
    outcome = bench.begin("Replaces, foreign")
    call = phone.call(NUMBERS["answered"])
    answer = call.answered()
    replaces = f"{call.call_id};to-tag={answer.tag('To')};from-tag={answer.tag('From')}"
    taken = other.call(NUMBERS["answered"], headers={"Replaces": replaces})
    final = taken.final("INVITE")
    if final.status == 200:
        taken.remote, taken.answer = final.header("To"), final
        taken.ack()
        assert hangs_up(other, taken, 5)
    assert process.waited(lambda: bench.legs() == [], 5, 0.1)
    assert {cdr.profile for cdr in bench.end(outcome)} == {bench.profiles[0].name}


def test_a_pbx_may_replace_its_own_leg(bench: Bench, phone: Phone) -> None:
    """INVITE with Replaces by the same profile: the call goes on with the new leg, and ends with it."""
    outcome = bench.begin("Replaces, own")
    call = phone.call(NUMBERS["answered"])
    answer = call.answered()
    replaces = f"{call.call_id};to-tag={answer.tag('To')};from-tag={answer.tag('From')}"
    taken = phone.call(NUMBERS["answered"], headers={"Replaces": replaces})
    taken.answered()
    old = phone.wait(
        lambda each: each.text.startswith(BYE) and each.header("Call-ID") == call.call_id, "the old leg's BYE"
    )
    call.replies(old, 200)
    assert not hangs_up(phone, taken, 2)
    assert bench.live() == 1
    assert taken.bye() == 200
    assert only(bench, outcome).ending == "ok"


def test_a_call_that_rings_is_picked_up_by_its_own_pbx_only(bench: Bench, phone: Phone, other: Phone) -> None:
    """INVITE with Replaces of a dialog that is not answered yet: another profile is hung up at once, the
    phone's own profile may take the call, which stays one call in with one CDR.
    """
    until_registered(bench, phone)
    for who, own in ((other, False), (phone, True)):
        outcome = bench.begin(f"pick-up, {'own' if own else 'foreign'}")
        run = bench.network(1, 1, "both-ways/network-until-bye.xml").start()
        rings = phone.rings()
        assert rings.invited
        rings.replies(rings.invited, 180)
        bench.until(outcome, "it rings", lambda: any(leg["state"] == "Ringing" for leg in bench.legs()), 5)
        replaces = f"{rings.call_id};to-tag={rings.invited.tag('From')};from-tag={rings.tag};early-only"
        taken = who.call(NUMBERS["answered"], headers={"Replaces": replaces})
        final = taken.final("INVITE")
        if final.status == 200:
            taken.remote, taken.answer = final.header("To"), final
            taken.ack()
        rings.replies(rings.wait(lambda each: each.text.startswith("CANCEL "), "CANCEL"), 200)
        rings.replies(rings.invited, 487)
        if own:
            assert not hangs_up(phone, taken, 2)
            assert (bench.live(), final.status) == (1, 200)
            assert taken.bye() == 200
        elif final.status == 200:
            assert hangs_up(other, taken, 5)
        assert process.waited(lambda: bench.legs() == [], 5, 0.1)
        run.end()
        cdr = only(bench, outcome)
        assert (cdr.profile, cdr.direction) == (bench.profiles[0].name, "in")
        assert own or cdr.duration_ms < 500
    bench.restart_far_end()


@pytest.mark.parametrize("number", ["answered", "no_answer"])
def test_nobody_transfers_into_anothers_call(bench: Bench, phone: Phone, other: Phone, number: str) -> None:
    """REFER with Replaces of another profile's call, one that talks or one that rings: nobody is left to talk."""
    outcome = bench.begin(f"REFER, foreign, {number}")
    call = phone.call(NUMBERS[number])
    answer = call.answered() if number == "answered" else call.status(180)
    own = other.call(NUMBERS["answered"])
    own.answered()
    talks = 2 if number == "answered" else 1
    bench.until(outcome, "the calls are joined", lambda: bench.talking() == talks, 5)
    replaces = f"{call.call_id}%3Bto-tag%3D{answer.tag('To')}%3Bfrom-tag%3D{answer.tag('From')}"
    own.request("REFER", headers={"Refer-To": f"<sip:x@127.0.0.1?Replaces={replaces}>"})
    assert process.waited(lambda: bench.legs() == [], 10, 0.1)
    assert {cdr.profile for cdr in bench.end(outcome)} == {profile.name for profile in bench.profiles[:2]}


@pytest.mark.parametrize("connector", ["here", "away"])
def test_an_emergency_number_is_one_in_every_form(bench: Bench, phone: Phone, connector: str) -> None:
    """Rule 11: however it is written, with the connector and without it."""
    forms = (
        "sip:999@{host}", "sip:999;phone-context=+44@{host}", "tel:999;phone-context=+44", "tel:999",
        "sip:999@{host};user=phone", "sip:999;user=phone@{host}", "sip:999;phone-context=+44@{host};user=phone",
    )  # fmt: skip
    outcome = bench.begin("emergency forms")
    with (
        local_route(bench),
        process.stopped(bench.supervisor.pid("connector")) if connector == "away" else nullcontext(),
    ):
        for form in forms:
            uri = form.format(host=f"{HOST}:{phone.server}")
            call = phone.call("", uri=uri, to="<sip:999@localhost>")
            call.answered()
            assert call.bye() == 200, form
    assert bench.end(outcome) == []


def test_emergency_calls_of_one_profile_are_bounded(bench: Bench, phone: Phone) -> None:
    """Twenty at once; the next one fails, and is on record."""
    outcome = bench.begin("many emergency calls")
    with local_route(bench):
        made = [phone.call("999") for _ in range(20)]
        for call in made:
            call.answered()
        assert phone.call("999").refused(10) == 503
        for call in made:
            assert call.bye() == 200

    def outcomes() -> list[str]:
        """What became of those of today."""
        return [each.outcome for each in bench.in_store(emergency.listed)]

    assert process.waited(lambda: outcomes().count("limited") == 1, 15)
    assert bench.end(outcome) == []


def test_a_cancel_right_behind_the_invite_has_a_cdr(bench: Bench, phone: Phone) -> None:
    """Whenever it comes: one CDR, no trunk that was not asked, and the caller hung up."""
    for _ in range(5):
        outcome = bench.begin("CANCEL at once")
        call = phone.call(NUMBERS["no_answer"])
        call.status(100)
        call.cancel()
        assert call.refused() == 487
        cdr = only(bench, outcome)
        assert (cdr.ending, cdr.hung_up_by, cdr.price_micros) == ("no_answer", "caller", 0)
        assert cdr.trunk in (None, "sample-carrier")


def test_a_trunk_that_says_nothing_is_left_for_the_next(bench: Bench, phone: Phone, carrier: Phone) -> None:
    """After four seconds, not after the 32 of SIP; and it gets no call that nobody wants any more."""
    with trunk_before(bench, carrier, "silent"):
        outcome = bench.begin("silent trunk")
        begun = time.monotonic()
        call = phone.call(NUMBERS["answered"])
        call.answered(10)
        assert time.monotonic() - begun < 4 + 2 * process.PATIENCE
        call.bye()
        cdr = only(bench, outcome)
        assert (cdr.ending, cdr.trunk) == ("ok", TRUNK)


def test_a_trunk_that_works_on_it_is_not_left(bench: Bench, phone: Phone, carrier: Phone) -> None:
    """A carrier that says 100, and rings only after six seconds, has its time."""
    with trunk_before(bench, carrier, "slow"):
        outcome = bench.begin("slow trunk")
        call = phone.call(NUMBERS["answered"])
        asked = carrier.rings()
        assert asked.invited
        asked.replies(asked.invited, 100)
        assert not hangs_up(carrier, asked, 6 / process.PATIENCE)
        asked.picks_up()
        call.answered()
        call.bye()
        assert hangs_up(carrier, asked, 5)
        assert only(bench, outcome).trunk == "slow"


def test_a_carrier_that_answers_by_ipv6_is_left(bench: Bench, phone: Phone, carrier: Phone) -> None:
    """Its media could not be reached: the call is not sold, and the next trunk has it."""
    with trunk_before(bench, carrier, "six", nat=False):
        outcome = bench.begin("IPv6")
        call = phone.call(NUMBERS["answered"])
        asked = carrier.rings()
        asked.picks_up(sdp(host="::1"))
        call.answered()
        assert hangs_up(carrier, asked, 5)
        call.bye()
        assert only(bench, outcome).trunk == TRUNK


@pytest.mark.parametrize("nat", [True, False])
def test_a_pbx_that_offers_ipv6_is_heard_and_hears(
    bench: Bench, phone: Phone, carrier: Phone, sounds: list[Sound], nat: bool
) -> None:
    """Our answer has an IPv4 address: it sends there, and media goes back to where it comes from."""
    username = bench.profiles[0].username
    here, there = sounds
    bench.in_store(lambda: profiles.change(username, options={"nat": nat}))
    until_has(bench, "force_rport = no", there=not nat)
    with trunk_before(bench, carrier, f"six-{nat}".lower()):
        outcome = bench.begin("an offer of IPv6")
        call = phone.call(NUMBERS["answered"], sdp(host="::1", port=here.port))
        asked = carrier.rings()
        asked.picks_up(sdp(port=there.port))
        answer = call.answered()
        assert asked.invited
        heard = []
        for _ in range(5):
            heard.append((here.talks(answer, 0.2), there.talks(asked.invited, 0.2)))
        assert call.bye() == 200
        assert hangs_up(carrier, asked, 5)
        assert heard[-1] > (0, 0), heard
        assert min(sum(each) for each in zip(*heard, strict=True)) > 5, heard
        assert only(bench, outcome).ending == "ok"
    bench.in_store(lambda: profiles.change(username, options={"nat": True}))


@pytest.mark.parametrize("who", ["PBX", "carrier"])
def test_a_fax_goes_on_in_g711(bench: Bench, phone: Phone, carrier: Phone, sounds: list[Sound], who: str) -> None:
    """T.38 is declined to whoever asks for it; the fax is sent in G.711, longer than a call without media lasts."""
    here, there = sounds
    with silence_ends_calls(bench), trunk_before(bench, carrier, f"fax-{who}".lower()):
        outcome = bench.begin(f"a fax, T.38 asked for by the {who}")
        call = phone.call(NUMBERS["answered"], sdp(port=here.port))
        asked = carrier.rings()
        asked.picks_up(sdp(port=there.port))
        answer = call.answered()
        assert asked.invited
        asks, port = (call, here.port) if who == "PBX" else (asked, there.port)
        assert asks.request("INVITE", sdp(FAX, version=2)).status == 488
        assert asks.request("INVITE", sdp(port=port, version=3)).status == 200
        for _ in range(10):
            here.talks(answer, 0.3)
            there.talks(asked.invited, 0.3)
        assert bench.answered() == 1
        assert call.bye() == 200
        assert hangs_up(carrier, asked, 5)
        cdr = only(bench, outcome)
        assert (cdr.ending, cdr.hung_up_by) == ("ok", "caller")
        assert cdr.duration_ms > 5_000


# users in Request-URI, To and P-Called-Party-ID -> whether the number of the profile is found
@pytest.mark.parametrize(
    ("user", "to", "party", "found"),
    [
        ("+442079460100", "+442079460100", "", True),
        ("442079460100", "442079460100", "", True),
        ("00442079460100", "x", "", True),
        ("02079460100", "02079460100", "", True),
        ("2079460100", "x", "", True),
        ("wholesale", "+442079460100", "", True),
        ("wholesale", "wholesale", "+442079460100", True),
        ("wholesale", "02079460100", "", True),
        ("+442079461234", "+442079460100", "", True),  # a pilot number, the DID in To
        ("wholesale", "wholesale", "", False),
        ("02079461234", "02079461234", "", False),
        ("x;y=z", "x", "", False),
    ],
)
def test_the_called_number_is_found_wherever_carriers_put_it(
    bench: Bench, national: Phone, user: str, to: str, party: str, found: bool
) -> None:
    """In the Request-URI, To or P-Called-Party-ID, in international, bare and national form by the trunk's country."""
    outcome = bench.begin("number forms")
    uri = f"sip:{user}@{HOST}:{national.server}"
    headers = {"P-Called-Party-ID": f"<sip:{party}@{HOST}>"} if party else {}
    call = national.call("", uri=uri, to=f"<sip:{to}@{HOST}>", headers=headers)
    if found:
        call.answered(10)
        call.bye()
    else:
        assert call.refused(10) in (404, 484)
    cdr = only(bench, outcome)
    assert (cdr.called == bench.profiles[0].numbers[0]) is found, cdr


@pytest.fixture(scope="module")
def national(running_bench: Bench) -> Iterator[Phone]:
    """A carrier that sends national numbers of Great Britain."""
    made = Phone(0, "+442079460999")
    with trunk_before(running_bench, made, "national", number_country="GB"):
        yield made
    made.close()


def test_a_pbx_gets_the_number_in_the_request_uri_if_it_wants(bench: Bench, phone: Phone) -> None:
    """And in To; its contact's own parameters stay."""
    username = bench.profiles[0].username
    bench.in_store(lambda: profiles.change(username, options={"called_in": "uri"}))
    outcome = bench.begin("called in the Request-URI")
    try:
        until_registered(bench, phone)
        run = bench.network(1, 1).start()
        call = phone.rings()
        assert call.invited
        number = bench.profiles[0].numbers[0]
        assert call.invited.uri.startswith(f"sip:{number}@{HOST}:{phone.port}")
        assert number in call.invited.header("To")
        assert number in call.invited.header("P-Called-Party-ID")
        call.picks_up()
        assert hangs_up(phone, call, 10)
        assert run.wait(20).successful == 1
        assert only(bench, outcome).ending == "ok"
    finally:
        bench.in_store(lambda: profiles.change(username, options={"called_in": "header"}))
        bench.restart_far_end()


def test_a_contact_that_is_gone_does_not_hold_the_caller(bench: Bench, phone: Phone) -> None:
    """Four seconds, not the 32 of SIP."""
    outcome = bench.begin("a dead contact")
    until_registered(bench, phone)
    phone.close()
    begun = time.monotonic()
    run = bench.network(1, 1).start()
    bench.until(outcome, "it rings", lambda: bench.live() == 1, 5)
    assert process.waited(lambda: bench.live() == 0, 4 + 2 * process.PATIENCE)
    assert time.monotonic() - begun < 4 + 3 * process.PATIENCE
    run.end()
    assert only(bench, outcome).ending == "failed"
    bench.restart_far_end()


@pytest.fixture(scope="module")
def refusing(running_bench: Bench) -> Iterator[Phone]:
    """A carrier before the sample's, that answers as a test says, for all tests of this kind."""
    made = Phone(0, "carrier")
    with trunk_before(running_bench, made, "refusing"):
        yield made
    made.close()


# what the carrier answers -> what the PBX hears, the ending
@pytest.mark.parametrize(
    ("status", "heard", "ending"),
    [
        (404, 404, "failed"), (410, 410, "failed"), (413, None, "failed"), (415, None, "failed"), (416, None, "failed"),
        (422, None, "failed"), (423, None, "failed"), (433, 433, "failed"), (480, 480, "no_answer"),
        (481, None, "failed"),
        (482, None, "failed"), (484, 484, "failed"), (486, 486, "busy"), (487, None, "failed"), (488, 488, "failed"),
        (491, None, "failed"), (493, None, "failed"), (494, None, "failed"), (600, 486, "busy"), (603, 603, "failed"),
        (604, 604, "failed"), (606, 606, "failed"), (607, 607, "failed"), (608, 608, "failed"), (403, 403, "failed"),
    ],
)  # fmt: skip
def test_a_cdr_says_what_the_far_end_answered(
    bench: Bench, phone: Phone, refusing: Phone, status: int, heard: int | None, ending: str
) -> None:
    """The SIP status, the ending that it means, who hung up, and the trunk that was asked."""
    outcome = bench.begin(f"answered {status}")
    call = phone.call(NUMBERS["answered"])
    asked = refusing.rings()
    assert asked.invited
    asked.replies(asked.invited, status)
    found = call.refused()
    assert heard is None or found == heard
    cdr = only(bench, outcome)
    assert (cdr.sip_status, cdr.ending, cdr.hung_up_by, cdr.trunk) == (status, ending, "callee", "refusing")


@pytest.mark.parametrize("status", [408, 480, 483, 503])
def test_the_next_trunk_is_tried_after_any_answer_in_the_list(
    bench: Bench, phone: Phone, refusing: Phone, status: int
) -> None:
    """Also after those that Asterisk's Dial reports like a call that rang too long."""
    outcome = bench.begin(f"the next trunk after {status}")
    bench.in_store(lambda: trunks.change("refusing", failover="408 480 483 503"))
    try:
        call = phone.call(NUMBERS["answered"])
        asked = refusing.rings()
        assert asked.invited
        asked.replies(asked.invited, status)
        call.answered()
        assert call.bye() == 200
        cdr = only(bench, outcome)
    finally:
        bench.in_store(lambda: trunks.change("refusing", failover=FAILOVER))
    assert (cdr.sip_status, cdr.ending, cdr.trunk) == (200, "ok", TRUNK)


def sold_to(phone: Phone, carrier: Phone, dialled: str, headers: Headers | None = None) -> Message:
    """The INVITE that a carrier gets of a call, which is answered and over at once."""
    call = phone.call(dialled.replace("#", "%23"), headers=headers)
    sold = carrier.rings()
    sold.picks_up()
    call.answered()
    assert call.bye() == 200
    assert hangs_up(carrier, sold, 5)
    assert sold.invited
    return sold.invited


def test_a_service_number_goes_to_the_carrier_as_it_was_dialled(bench: Bench, phone: Phone, carrier: Phone) -> None:
    """101, allowed and priced by the profile: the fee is charged, and no other short number is sold."""
    username = bench.profiles[0].username
    police = ServiceNumber("101", "Police", connection_fee_micros=150_000)
    bench.in_store(lambda: service_numbers.change(username, [police]))
    with trunk_before(bench, carrier, "short"):
        outcome = bench.begin("a service number")
        assert sold_to(phone, carrier, "101").uri.startswith("sip:101@")
        cdr = only(bench, outcome)
        assert (cdr.ending, cdr.called, cdr.price_micros) == ("ok", "101", 150_000)
        outcome = bench.begin("a short number that is none")
        assert phone.call("102").refused() == 484
        assert only(bench, outcome).refusal == "number_invalid"
    bench.in_store(lambda: service_numbers.change(username, [], ["101"]))


@pytest.mark.parametrize("prefix", ["*67", "#31#"])
def test_a_prefix_withholds_the_number_of_one_call(bench: Bench, phone: Phone, carrier: Phone, prefix: str) -> None:
    """The carrier is asked not to show it (RFC 3323), in that call and in no other."""
    username = bench.profiles[0].username
    bench.in_store(lambda: profiles.set_caller_id(username, withhold=prefix))
    with trunk_before(bench, carrier, f"withheld-{len(prefix)}"):
        for dialled, privacy in ((prefix + NUMBERS["answered"], "id"), (NUMBERS["answered"], "")):
            outcome = bench.begin(f"{dialled} is dialled")
            sold = sold_to(phone, carrier, dialled)
            assert (sold.uri.partition("@")[0], sold.header("Privacy")) == (f"sip:{NUMBERS['answered']}", privacy)
            assert ("anonymous" in sold.header("From").lower()) == bool(privacy)
            assert only(bench, outcome).dialled == dialled
    bench.in_store(lambda: profiles.set_caller_id(username, withhold=""))


# where a trunk is told -> the headers that it gets
TOLD = {
    "none": (),
    "diversion": ("Diversion",),
    "history-info": ("History-Info",),
    "both": ("Diversion", "History-Info"),
}


@pytest.mark.parametrize("wants", TOLD)
def test_a_trunk_is_told_who_forwarded_a_call_if_it_wants(
    bench: Bench, phone: Phone, carrier: Phone, wants: str
) -> None:
    """By our own route, and by what the PBX says, if that is a number of the company: nobody else's goes on."""
    own, anybody, called = bench.profiles[0].numbers[0], "+447700900123", NUMBERS["answered"]

    def headers(reason: str, cause: int) -> dict[str, list[str]]:
        """What the trunk gets (RFC 5806, 7044) of a call that our number forwarded."""
        whole = {
            "Diversion": [f"<sip:{own}@{HOST}>;reason={reason};counter=1"],
            "History-Info": [f"<sip:{own}@{HOST}>;index=1", f"<sip:{called}@{HOST};cause={cause}>;index=1.1"],
        }
        return {name: whole[name] if name in TOLD[wants] else [] for name in whole}

    with trunk_before(bench, carrier, f"telling-{wants}", forwarded_in=wants):
        for said in (own, anybody, ""):
            outcome = bench.begin(f"forwarded by {said or 'nobody'}, and {wants} is wanted")
            sold = sold_to(
                phone, carrier, called, {"Diversion": f'"Eve" <sip:{said}@pbx>;reason=no-answer'} if said else {}
            )
            found = {name: sold.headers(name) for name in ("Diversion", "History-Info")}
            assert found == (headers("unknown", 302) if said == own else {"Diversion": [], "History-Info": []})
            assert "Eve" not in sold.text
            assert anybody not in sold.text
            assert only(bench, outcome).ending == "ok"
        bench.in_store(lambda: routes.set_route(own, f"number {called}"))
        outcome = bench.begin(f"forwarded by our route, and {wants} is wanted")
        run = bench.network(1, 1).start()
        forwarded = carrier.rings()
        assert forwarded.invited
        found = {name: forwarded.invited.headers(name) for name in ("Diversion", "History-Info")}
        assert found == headers("unconditional", 302)
        forwarded.picks_up()
        bench.until(outcome, "both calls are up", lambda: bench.answered() == 2, 5)
        assert forwarded.bye() == 200
        run.end()
        bench.in_store(lambda: routes.set_route(own, "pbx"))
        assert [cdr.ending for cdr in bench.end(outcome)] == ["ok", "ok"]
        assert outcome.problems == []
