"""How a call's end reaches the books, when it is not the ordinary one."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import aiohttp
import pytest

from connector.billing import media
from connector.billing.media import MediaView
from connector.clock import SystemClock
from connector.core import signatures
from connector.core.times import iso
from connector.errors import NotFound
from connector.notices import webhooks
from lab import process
from lab.far_end import NUMBERS
from lab.load import Bench
from lab.phone import Phone, Sound, sdp
from lab.sample import COMPANY


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
def told_of_calls(bench: Bench) -> Iterator[tuple[Bench, list[dict[str, Any]], str]]:
    """The lab posts events of calls to a web server of ours; what it got, and the secret."""
    got: list[dict[str, Any]] = []

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append({"signature": self.headers["Connector-Signature"], "body": body})
            self.send_response(204)
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Taker) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/calls"
        made = bench.in_store(lambda: webhooks.create(url, SystemClock().now_ms(), COMPANY, told=False, calls=True))
        with bench.with_settings('\n[webhooks]\nallowed = ["127.0.0.1"]\n'):
            yield bench, got, made.secret
        bench.in_store(lambda: webhooks.remove(made.webhook.id))
        server.shutdown()


def test_a_webhook_hears_of_a_call_while_it_goes_on(told_of_calls: tuple[Bench, list[dict[str, Any]], str]) -> None:
    """It is told that the call started and was answered before it ends; then that it ended, as the CDR says."""
    bench, got, secret = told_of_calls
    outcome = bench.begin("events of a call")
    run = bench.caller("mixed-endings/callee-first.xml", 1, 1, "answered").start()

    def events() -> list[dict[str, Any]]:
        return [event for post in got for event in json.loads(post["body"])["events"]]

    bench.until(outcome, "two events came", lambda: [each["event"] for each in events()] == ["started", "answered"], 5)
    assert bench.answered() == 1
    bench.hang_up(next(leg["id"] for leg in bench.legs() if "sample-carrier" in leg["name"]))
    assert run.wait(10).successful == 1
    (cdr,) = bench.end(outcome)
    bench.until(outcome, "the third came", lambda: len(events()) == 3, 5)
    assert outcome.problems == []
    call = events()[-1]["call"]
    assert (call["id"], call["duration_ms"], call["price_micros"]) == (cdr.id, cdr.duration_ms, cdr.price_micros)
    assert (call["answered_at"], call["ended_at"]) == (iso(cdr.answered_at), iso(cdr.ended_at))
    now = SystemClock().now_ms()
    assert all(signatures.is_good(post["signature"], secret, post["body"], now) for post in got)


def test_the_sound_of_a_call_is_measured_while_it_is_up(bench: Bench) -> None:
    """A phone of which each tenth packet is lost: so its side sounded, and the trunk's was good."""
    outcome = bench.begin("losses")
    found = bench.profiles[0]
    phone, sound = Phone(bench.instance.ports.sip, found.username, found.password), Sound()
    call = phone.call(NUMBERS["answered"], sdp(port=sound.port))
    answer = call.answered()
    sound.talks(answer, 12, lost_of=10)  # Asterisk counts losses with each report of RTCP, every five seconds
    assert call.bye() == 200
    phone.close()
    sound.close()
    (cdr,) = bench.end(outcome)
    assert outcome.problems == []

    def measured() -> MediaView | None:
        with suppress(NotFound):
            return bench.in_store(lambda: media.of_call(cdr.id))
        return None

    bench.until(outcome, "it is kept", lambda: measured() is not None, 5)
    view = measured()
    assert view is not None
    pbx, trunk = view.legs
    assert (pbx.side, pbx.codec, trunk.side, trunk.codec) == ("pbx", "alaw", "trunk", "alaw")
    assert 400 < (media.loss(pbx.heard_packets, pbx.heard_lost) or 0) < 1_200
    assert pbx.told_lost is None  # this phone sends no RTCP
    assert 0 < pbx.heard_jitter_us < 100_000
    assert view.mos == pbx.mos < 410
    assert trunk.heard_packets > 100


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
