"""Where calls in ring, on the wire: SIPp is the carrier, the PBX with all its phones, and whoever is called outside."""

from __future__ import annotations

import io
import re
import wave
from ast import literal_eval
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from connector import config
from connector.asterisk import voicemail
from connector.billing import calls, credit, numbers, plans, profiles
from connector.billing.history import CdrView
from connector.clock import SystemClock
from connector.core import refusals
from connector.core.calls import Attempt, Direction
from connector.core.money import MICROS
from connector.core.sip import Options
from connector.core.trunks import endpoint_of
from connector.errors import BadInput
from connector.routing import emergency, mailboxes, routes, trunks
from lab import process, sipp
from lab.far_end import NUMBERS
from lab.load import Bench
from lab.ports import HOST, free_udp_port
from lab.run import endpoint_state
from lab.sample import TRUNK
from tests.sipp.test_manager import seen, watched, welcomed

NUMBER, OTHER = "+442079460400", "+442079460401"
STRANGER = "+447700900123"
BOXES_READ = "Asterisk has the mailboxes"


@dataclass(frozen=True)
class Desk:
    """A profile whose PBX is known by its port, and a carrier that is known by its; SIPp is at both."""

    bench: Bench
    username: str
    pbx_port: int
    carrier_port: int

    def phones(self, calls: int, at: int = 0) -> sipp.Running:
        """The phones of the PBX, for so many INVITEs; or the carrier's, at its port."""
        port = at or self.pbx_port
        return self.bench.sipp("routes/pbx.xml", ("", "", ""), 0, calls=calls, port=port).start()

    def call_in(self, called: str, caller: str = STRANGER, hold_s: float = 1, **words: str) -> sipp.Result:
        """The carrier calls."""
        return self._call(self.carrier_port, called, caller, hold_s, words)

    def call_out(self, called: str, caller: str = "101", hold_s: float = 1, **words: str) -> sipp.Result:
        """The PBX calls."""
        return self._call(self.pbx_port, called, caller, hold_s, words)

    def _call(self, port: int, called: str, caller: str, hold_s: float, words: dict[str, str]) -> sipp.Result:
        run = self.bench.sipp(
            "routes/network.xml",
            (caller, "", called),
            self.bench.instance.ports.sip,
            port=port,
            hold_s=hold_s,
            words=words,
        )
        return run.start().wait(30)


@pytest.fixture(scope="module")
def made(running_bench: Bench) -> Iterator[Desk]:
    """The profile and the carrier, once; another carrier is tried first only while a test wants it."""
    now, bench = SystemClock().now_ms(), running_bench
    desk = Desk(bench, "", free_udp_port(), free_udp_port())
    options = Options(qualify_s=0)  # SIPp is there for a call only
    at = (HOST, desk.pbx_port)
    signed = bench.in_store(
        lambda: profiles.create_profile("desk", 5, "asterisk", now, at=at, options=options, country="GB")
    )
    desk = Desk(bench, signed.username, desk.pbx_port, desk.carrier_port)
    bench.in_store(lambda: credit.add("desk", 10 * MICROS, "desk", now))
    for number in (NUMBER, OTHER):
        bench.in_store(partial(numbers.add, number, "desk", now))
    bench.in_store(lambda: trunks.create_trunk("seen", HOST, desk.carrier_port, now, options=options, place=50))
    bench.in_store(lambda: routes.set_hours("always", "daily 00:00-24:00"))
    bench.in_store(lambda: routes.set_hours("never", "2001-01-01"))
    bench.in_store(lambda: routes.create_account("support", "desk", "extension 301", now))
    bench.in_store(lambda: routes.set_department("sales", "extension 201, extension 301"))
    assert process.waited(lambda: endpoint_state(bench.instance, signed.username) is not None, 15)
    assert process.waited(lambda: endpoint_state(bench.instance, endpoint_of("seen")) is not None, 15)
    yield desk
    bench.in_store(lambda: trunks.remove("seen"))


@pytest.fixture
def desk(made: Desk, bench: Bench) -> Desk:
    """The same, and nothing is up after the test."""
    return made


def users(said: list[str]) -> list[str]:
    """Who was called, in order."""
    return [re.sub(r"^user=(\S*) .*$", r"\1", line) for line in said]


# the route | whom the PBX was asked for, in order | what became of the call
WAYS = f"""
pbx                                                      |             | ok
extension 301                                            | 301         | ok
extension 101 for 2, extension 301                       | 101 301     | ok
extension 201, extension 301                             | 201 301     | ok
extension 401, extension 301                             | 401 301     | ok
group 101 301                                            | 101 301     | ok
group 201 202, extension 301                             | 201 202 301 | ok
department sales                                         | 201 301     | ok
account support                                          | 301         | ok
extension 201, account support                           | 201 301     | ok
number {OTHER}                                           | 302         | ok
never: extension 201; always: extension 301; else: busy  | 301         | ok
never: extension 301; else: busy                         |             | busy
extension 201, busy                                      | 201         | busy
extension 201                                            | 201         | busy
extension 401                                            | 401         | no_answer
extension 101 for 60; within 2                           | 101         | no_answer
extension 101 for 2, extension 102 for 60; within 4      | 101 102     | no_answer
"""


@pytest.mark.parametrize("line", WAYS.strip().splitlines())
def test_a_call_in_rings_where_its_route_says(desk: Desk, line: str) -> None:
    """Extensions, groups, departments, accounts, other numbers, hours; unanswered, busy or gone the next is tried, and
    no longer than the route may ring. One channel, one CDR, free.
    """
    route, rung, ending = (cell.strip() for cell in line.split("|"))
    bench = desk.bench
    bench.in_store(lambda: routes.set_route(OTHER, "extension 302"))
    bench.in_store(lambda: routes.set_route(NUMBER, route))
    outcome = bench.begin(route)
    asked = rung.split() or ([""] if ending == "ok" else [])
    phones = desk.phones(len(asked) or 1)
    try:
        result = desk.call_in(NUMBER)
        assert result.counts.get("answered") == (ending == "ok"), result.why()
        if asked:
            phones.wait(10)
    finally:
        phones.end()
    (cdr,) = bench.end(outcome)
    said = users(phones.said())
    assert (sorted(said) if "group" in route else said) == asked
    assert (cdr.ending, cdr.called, cdr.profile, cdr.direction, cdr.price_micros) == (ending, NUMBER, "desk", "in", 0)
    assert cdr.started_at + 6_000 > cdr.ended_at
    assert outcome.problems == []


def test_an_account_is_called_by_its_name(desk: Desk) -> None:
    """`sip:support@host`: it rings its extension, and the PBX is told which account was called; others are nobody."""
    outcome = desk.bench.begin("account")
    phones = desk.phones(1)
    assert desk.call_in("support").counts.get("answered") == 1
    assert phones.wait(10).successful == 1
    assert "user=301" in phones.said()[0]
    assert "called=<sip:support@" in phones.said()[0].replace(" <", "<")
    assert desk.call_in("nobody-here").counts.get("refused") == 1
    cdrs = {cdr.called or cdr.dialled: cdr for cdr in desk.bench.end(outcome)}
    assert (cdrs["support"].ending, cdrs["support"].profile) == ("ok", "desk")
    assert cdrs["nobody-here"].refusal == "number_unknown"


def pair(cdrs: list[CdrView]) -> tuple[CdrView, CdrView]:
    """The call in and the call out."""
    (into,) = [cdr for cdr in cdrs if cdr.direction == "in"]
    (out,) = [cdr for cdr in cdrs if cdr.direction == "out"]
    return into, out


def test_a_forward_outside_is_a_call_out_and_paid(desk: Desk) -> None:
    """A channel and a CDR of its own, rated; the far side sees the number that was called, not the stranger's."""
    desk.bench.in_store(lambda: routes.set_route(NUMBER, f"extension 201, number {NUMBERS['answered']}"))
    outcome = desk.bench.begin("forward")
    phones = desk.phones(1)
    assert desk.call_in(NUMBER, hold_s=2).counts.get("answered") == 1
    phones.wait(10)
    into, out = pair(desk.bench.end(outcome))
    assert (into.ending, into.price_micros, into.caller_id) == ("ok", 0, STRANGER)
    assert (out.ending, out.called, out.shown, out.caller_id) == ("ok", NUMBERS["answered"], NUMBER, STRANGER)
    assert out.price_micros
    assert out.profile == into.profile == "desk"
    assert abs(into.duration_ms - out.duration_ms) < 200
    assert outcome.problems == []


def test_an_unanswered_forward_comes_back_to_the_route(desk: Desk) -> None:
    """Busy outside: that call is over, costs nothing, and the next step rings."""
    desk.bench.in_store(lambda: routes.set_route(NUMBER, f"number {NUMBERS['busy']}, extension 301"))
    outcome = desk.bench.begin("forward, busy")
    phones = desk.phones(1)
    assert desk.call_in(NUMBER).counts.get("answered") == 1
    phones.wait(10)
    into, out = pair(desk.bench.end(outcome))
    assert (into.ending, out.ending, out.price_micros) == ("ok", "busy", 0)


def test_a_forward_that_comes_round_is_not_forwarded_again(desk: Desk) -> None:
    """A call from a number that a forward is showing right now rings the phones, and goes out to nobody."""
    desk.bench.in_store(lambda: routes.set_route(NUMBER, f"number {NUMBERS['answered']}, extension 301"))
    outcome = desk.bench.begin("round and round")
    phones = desk.phones(1)
    desk.bench.in_store(lambda: routes.set_route(OTHER, f"number {NUMBERS['answered']}"))
    there = desk.bench.instance.ports.carrier
    held = desk.bench.sipp("both-ways/network-until-bye.xml", (STRANGER, "", OTHER), there).start()
    assert process.waited(lambda: desk.bench.answered() == 2, 5)  # the call in, and its forward, which shows OTHER
    assert desk.call_in(NUMBER, caller=OTHER).counts.get("answered") == 1
    phones.wait(10)
    desk.bench.instance.far_end_hangs_up()
    held.wait(20)
    found = sorted((cdr.direction, cdr.called, cdr.forwarded) for cdr in desk.bench.end(outcome))
    assert found == [("in", NUMBER, ""), ("in", OTHER, ""), ("out", NUMBERS["answered"], OTHER)]


@pytest.fixture
def seen_first(desk: Desk) -> Iterator[Desk]:
    """Calls out go to the carrier that writes down what it is told."""
    desk.bench.in_store(lambda: trunks.change(TRUNK, place=60))
    yield desk
    desk.bench.in_store(lambda: trunks.change(TRUNK, place=1))
    desk.bench.in_store(lambda: profiles.set_caller_id("desk", "pass", "", "replace"))


def told(said: list[str]) -> dict[str, str]:
    """What one INVITE said of who calls, by what of it."""
    (line,) = said
    return {name: value for name, _, value in (part.partition("=") for part in line.split(" | "))}


DIVERSION = f'Diversion: "Mallory" <sip:{STRANGER}@127.0.0.1>;reason=unconditional'
PRIVATE = "P-Asserted-Identity: <sip:{}@127.0.0.1>\nPrivacy: id"
# policy, what is done with foreign numbers, main number | From of the PBX | more headers | From, PAI, Privacy at the
# carrier | shown in the CDR, or the refusal
SHOWN = f"""
pass replace        | {NUMBER}    |                                    | {NUMBER} {NUMBER} -   | {NUMBER}
pass replace        | 02079460401 |                                    | {OTHER} {OTHER} -     | {OTHER}
pass replace        | 101         |                                    | {NUMBER} {NUMBER} -   | {NUMBER}
pass replace        | {STRANGER}  |                                    | {NUMBER} {NUMBER} -   | {NUMBER}
pass replace        | %24%7BX%7D  |                                    | {NUMBER} {NUMBER} -   | {NUMBER}
pass replace        | 101         | P-Asserted-Identity: <sip:{OTHER}@127.0.0.1> | {OTHER} {OTHER} - | {OTHER}
pass replace {OTHER}| {STRANGER}  |                                    | {OTHER} {OTHER} -     | {OTHER}
pass refuse         | {NUMBER}    |                                    | {NUMBER} {NUMBER} -   | {NUMBER}
pass refuse         | {STRANGER}  |                                    | refused               | caller_foreign
pass refuse         | anonymous   |                                    | anonymous {NUMBER} id |
pass replace        | {NUMBER}    | {DIVERSION!r} | {NUMBER} {NUMBER} - | {NUMBER}
pass replace        | {NUMBER}    | 'Privacy: none'                    | {NUMBER} {NUMBER} -   | {NUMBER}
pass replace        | {NUMBER}    | 'Privacy: none\\nPrivacy: id'       | anonymous {NUMBER} id |
pass replace        | anonymous   |                                    | anonymous {NUMBER} id |
pass replace        | anonymous   | {PRIVATE.format(OTHER)!r}          | anonymous {OTHER} id  |
none replace        | {NUMBER}    |                                    | anonymous {NUMBER} id |
fixed replace {OTHER}| {STRANGER} |                                    | {OTHER} {OTHER} -     | {OTHER}
"""


@pytest.mark.parametrize("line", SHOWN.strip().splitlines())
def test_a_call_out_shows_what_it_may_show(seen_first: Desk, line: str) -> None:
    """Only the company's own numbers reach a carrier; one that is withheld reaches it in P-Asserted-Identity only, with
    Privacy; a name that the PBX says reaches nobody.
    """
    desk, bench = seen_first, seen_first.bench
    how, caller, more, wanted, shown = (cell.strip() for cell in line.split("|"))
    policy, foreign, number = (*how.split(), "")[:3]
    bench.in_store(lambda: profiles.set_caller_id("desk", policy, number, foreign))
    outcome = bench.begin("caller id")
    carrier = desk.phones(1, desk.carrier_port)
    headers = "\n" + (literal_eval(more) if more.startswith("'") else more) if more else ""
    result = desk.call_out(
        NUMBERS["answered"], caller, more_headers=headers, display_name='"Mallory ${SHELL(id)} & Co" '
    )
    if wanted == "refused":
        carrier.end()
        assert result.counts.get("refused") == 1
        (cdr,) = bench.end(outcome)
        assert (cdr.refusal, cdr.shown) == (shown, None)
        return
    assert result.counts.get("answered") == 1, result.why()
    assert carrier.wait(10).successful == 1
    says, (from_user, pai, privacy) = told(carrier.said()), wanted.split()
    assert f"<sip:{from_user}@" in says["from"]
    assert "Mallory" not in "".join(says.values())
    assert says["diversion"].strip() == ""
    assert f"sip:{pai}@" in says["pai"]
    assert (says["privacy"].strip() or "-") == privacy
    (cdr,) = bench.end(outcome)
    assert (cdr.shown, cdr.ending) == (shown, "ok")
    assert outcome.problems == []


# From | more headers | its display name | From's user, PAI's user, and name at the PBX
CALLERS = f"""
{STRANGER}    |                                         |                      | {STRANGER} {STRANGER} -
07700900123   |                                         |                      | {STRANGER} {STRANGER} -
100           |                                         |                      | 100 100 -
anonymous     |                                         |                      | anonymous - -
{STRANGER}    | 'Privacy: id'                           |                      | anonymous - -
{STRANGER}    | 'Privacy: ")"'                          |                      | anonymous - -
{STRANGER}    | 'Privacy: header;critical'              |                      | anonymous - -
anonymous     | {PRIVATE.format(STRANGER)!r}            | "Jo"                 | anonymous - -
{OTHER}       | 'P-Asserted-Identity: <sip:{STRANGER}@127.0.0.1>' |            | {STRANGER} {STRANGER} -
{STRANGER}    |                                         | "Jo Doe"             | {STRANGER} {STRANGER} Jo Doe
{STRANGER}    |                                         | "J ${{SHELL(id)}}"   | {STRANGER} {STRANGER} J SHELL(id)
{STRANGER}    |                                         | "a\\" <sip:b@c>, d"  | {STRANGER} {STRANGER} a sip:b@c, d
a%22%2c%26b   |                                         |                      | ab ab -
"""


@pytest.mark.parametrize("line", CALLERS.strip().splitlines())
def test_a_pbx_is_told_who_calls(desk: Desk, line: str) -> None:
    """In E.164, as the carrier asserts it; who withholds the number is anonymous, and nothing tells it; names are kept,
    without what means something to a dialplan or a header.
    """
    caller, more, name, wanted = (cell.strip() for cell in line.split("|"))
    bench = desk.bench
    bench.in_store(lambda: routes.set_route(NUMBER, "extension 301"))
    outcome = bench.begin("who calls")
    phones = desk.phones(1)
    words = {"more_headers": "\n" + literal_eval(more)} if more else {}
    if name:
        words["display_name"] = name + " "
    result = desk.call_in(NUMBER, caller, 1, **words)
    assert result.counts.get("answered") == 1, result.why()
    assert phones.wait(10).successful == 1
    says, (from_user, pai, shown) = told(phones.said()), wanted.split(" ", 2)
    assert f"<sip:{from_user}@" in says["from"]
    assert (f"sip:{pai}@" in says["pai"]) if pai != "-" else not says["pai"].strip()
    assert (f'"{shown}"' in says["from"]) if shown != "-" else "Jo" not in says["from"]
    if from_user == "anonymous":
        assert STRANGER not in "".join(says.values())
    (cdr,) = bench.end(outcome)
    assert cdr.shown == ("" if from_user == "anonymous" else from_user)
    assert outcome.problems == []


@pytest.fixture
def poor(made: Desk, bench: Bench) -> Iterator[tuple[str, str]]:
    """A profile in Britain that has one channel and no money; its user name, and what signs it in."""
    now = SystemClock().now_ms()
    name = f"poor {now}"
    signed = bench.in_store(lambda: profiles.create_profile(name, 1, "asterisk", now, country="GB"))
    assert process.waited(lambda: endpoint_state(bench.instance, signed.username) is not None, 15)
    yield signed.username, sipp.authentication(signed.username, signed.password)
    bench.in_store(lambda: plans.delete_profile(name, now))


@contextmanager
def local_route(bench: Bench) -> Iterator[None]:
    """An admin's own context for emergency calls, which answers 999."""
    path = bench.instance.folder / "asterisk" / "etc" / "extensions_custom.conf"
    path.write_text("[from-connector-emergency]\nexten => 999,1,Answer()\n same => n,Echo()\n")
    bench.ari("/asterisk/modules/pbx_config.so", "PUT")
    try:
        yield
    finally:
        path.unlink()
        bench.ari("/asterisk/modules/pbx_config.so", "PUT")


def emergency_calls(bench: Bench, username: str) -> list[tuple[str, str]]:
    """What was dialled in an emergency, and what became of it, of a profile."""
    name = bench.in_store(lambda: profiles.show_profile(username)).name
    return [(c.dialled, c.outcome) for c in reversed(bench.in_store(emergency.listed)) if c.profile == name]


def help_call(bench: Bench, poor: tuple[str, str], dialled: str = "999") -> sipp.Result:
    """An emergency call by the profile."""
    return bench.sipp("routes/caller.xml", (*poor, dialled), bench.instance.ports.sip).start().wait(30)


def test_an_emergency_call_needs_no_money_and_no_channel(bench: Bench, poor: tuple[str, str]) -> None:
    """Without credit, with its channel taken, suspended, and without the connector: it is answered, logged, and is no
    CDR; every other call of the profile is refused meanwhile.
    """
    username = poor[0]
    with local_route(bench):
        outcome = bench.begin("no credit")
        assert help_call(bench, poor).counts.get("answered") == 1
        assert help_call(bench, poor, "+442079460001").counts.get("refused") == 1
        (cdr,) = bench.end(outcome)
        assert cdr.refusal == "no_credit"
        full = Attempt("full", Direction.IN, "none", TRUNK, "+442079460499", "", cdr.started_at, cdr.started_at)
        bench.in_store(lambda: numbers.add("+442079460499", username, 0))
        try:
            bench.in_store(lambda: calls.admit(full, "elsewhere"))
            assert help_call(bench, poor).counts.get("answered") == 1
        finally:
            bench.in_store(lambda: calls.refuse(full, "elsewhere", refusals.NOT_READY))
            bench.in_store(lambda: numbers.release("+442079460499", 0))
        bench.in_store(lambda: profiles.set_state(username, "suspended"))
        assert help_call(bench, poor).counts.get("answered") == 1
        bench.in_store(lambda: profiles.set_state(username, "open"))
        with process.stopped(bench.supervisor.pid("connector")):
            assert help_call(bench, poor).counts.get("answered") == 1
        bench.supervisor.forgive()
        process.end(process.identify(bench.supervisor.pid("connector")))
        assert help_call(bench, poor).counts.get("answered") == 1
        assert bench.restored()
    assert process.waited(lambda: emergency_calls(bench, username) == [("999", "local")] * 5, 15)
    bench.new_cdrs()


def test_without_a_local_route_the_caller_hears_so(bench: Bench, poor: tuple[str, str]) -> None:
    """Early media, then 503, unanswered: a PBX with another line may go on with that. No trunk is dialled. What is no
    emergency number of the country is an ordinary, wrong number.
    """
    outcome = bench.begin("no local route")
    for dialled in ("112", "999"):
        result = help_call(bench, poor, dialled)
        assert (result.counts.get("refused"), result.counts.get("early")) == (1, 1), result.why()
    assert help_call(bench, poor, "911").counts.get("refused") == 1
    assert process.waited(
        lambda: emergency_calls(bench, poor[0]) == [("112", "unavailable"), ("999", "unavailable")], 10
    )
    (cdr,) = bench.end(outcome)
    assert (cdr.dialled, cdr.refusal) == ("911", "number_invalid")


def short_greeting() -> bytes:
    """Half a second of a tone, as WAV."""
    made = io.BytesIO()
    with wave.open(made, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"".join(((n % 20) * 500).to_bytes(2, "little") for n in range(4000)))
    return made.getvalue()


def _heard_and_deleted(browser: Browser, bench: Bench, folders: Callable[[], list[str]]) -> None:
    """A user of the pages hears a message in the browser, marks it as heard, and deletes it; Asterisk does both."""
    with watched(browser, bench) as page:
        welcomed(bench, page, "desk@example.com", "operator")
        page.goto("/numbers")
        page.get_by_role("link", name="1 new, 1 in all").click()
        seen(page)
        sound = page.locator("audio")
        sound.evaluate("found => { found.muted = true; return found.play() }")
        assert sound.evaluate("found => found.duration") >= 2
        page.get_by_role("link", name="Mark as heard").click()
        page.get_by_role("button", name="Mark as heard").click()
        expect(page.get_by_role("status")).to_contain_text("marked as heard")
        assert folders() == ["Old"]
        page.get_by_role("link", name="Delete").click()
        page.get_by_role("button", name="Delete").click()
        expect(page.get_by_text("No message.")).to_be_visible()
        assert folders() == []


def test_voice_mail_takes_a_call_that_nobody_answers(desk: Desk, browser: Browser, tmp_path: Path) -> None:
    """Busy, then the mailbox with its own greeting: the message is found, with who called and for how long, and is sent
    by mail with its sound; the call is answered, free, and took its channel meanwhile. Pages play and delete it.
    """
    bench = desk.bench
    home = bench.instance.folder / "asterisk"
    spool = voicemail.Spool(config.read(bench.instance.settings_path).voicemail.spool)
    sound = tmp_path / "tone.alaw"
    sound.write_bytes(bytes(range(0x55, 0x55 + 80)) * 100)
    generated, log = bench.instance.generated / voicemail.FILE_NAME, bench.instance.folder / "log" / "connector.log"
    told = log.read_text().count(BOXES_READ)
    box, pin = bench.in_store(lambda: mailboxes.create("101", "Front desk", "desk@example.com", 0))
    assert len(pin) == 6
    spool.set_greeting(box.context, "101", short_greeting())
    bench.in_store(lambda: routes.set_route(NUMBER, "extension 201, voicemail 101"))
    assert process.waited(lambda: log.read_text().count(BOXES_READ) > told, 10)
    assert "101 => " in generated.read_text()
    outcome = bench.begin("voice mail")
    phones = desk.phones(1)
    name = '"Jo ${SHELL(id)}" '
    run = bench.sipp(
        "routes/message.xml",
        (STRANGER, "", NUMBER),
        bench.instance.ports.sip,
        port=desk.carrier_port,
        hold_s=14,
        words={"sound": str(sound), "display_name": name},
        media_port=34000,
    ).start()
    assert process.waited(lambda: bench.answered() == 1, 5)
    assert run.wait(30).counts.get("answered") == 1
    phones.wait(5)
    (cdr,) = bench.end(outcome)
    assert (cdr.ending, cdr.price_micros, cdr.direction) == ("ok", 0, "in")
    assert process.waited(lambda: len(spool.messages(box.context, "101")) == 1, 5)
    (message,) = spool.messages(box.context, "101")
    assert STRANGER in message.caller
    assert "SHELL(id)" in message.caller
    assert message.duration_s >= 2
    assert message.sound.stat().st_size > 16_000
    mail = home / "log" / "mail.txt"
    assert process.waited(lambda: mail.exists() and "audio/" in mail.read_text(), 5)
    letter = mail.read_text()
    assert "To: Front desk <desk@example.com>" in letter.replace('"', "")
    assert "filename=" in letter
    assert outcome.problems == []
    _heard_and_deleted(browser, bench, lambda: [each.folder for each in spool.messages(box.context, "101")])
    with pytest.raises(BadInput, match="mailbox '101' does not exist"):
        bench.in_store(lambda: mailboxes.remove("101"))
    bench.in_store(lambda: routes.set_route(NUMBER, "pbx"))
    bench.in_store(lambda: mailboxes.remove("101"))
    assert process.waited(lambda: "101 => " not in generated.read_text(), 10)
