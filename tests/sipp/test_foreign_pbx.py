"""A stock Asterisk as a customer's PBX, with the trunk that `connector profile connect --for asterisk` prints.

Its phone is a lab phone that registers there. We see the PBX's own calls, holds, re-INVITEs, transfers, registrations.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from connector import config
from connector.billing import profiles
from connector.billing.history import CdrView
from connector.clock import SystemClock
from connector.core import connect
from lab import client, pbx, process, sipp
from lab.far_end import NUMBERS
from lab.load import Bench, Outcome
from lab.pbx import StockPbx
from lab.phone import AUDIO, Dialog, Phone, sdp
from lab.run import endpoint_state

NUMBER, SENT_ON = "+442079460650", "+442079460651"
HOLD = AUDIO + "a=sendonly\r\n"


@dataclass
class Office:
    """The PBX, its phone, and the profile's username."""

    pbx: StockPbx
    phone: Phone
    username: str


@pytest.fixture(scope="module")
def issued(running_bench: Bench) -> profiles.Credentials:
    """The PBX's profile, with two numbers."""
    now = SystemClock().now_ms()
    return running_bench.in_store(lambda: client.issue("stock-pbx", "udp", NUMBER, now, SENT_ON))


@contextmanager
def office_of(bench: Bench, issued: profiles.Credentials, folder: Path, *, direct_media: bool) -> Iterator[Office]:
    """The PBX, registered, with a phone that is registered there. Pasted as it is printed, or with the PBX's own media
    setting, which is `direct_media = yes`.
    """
    found = bench.in_store(lambda: profiles.show_profile(issued.username))
    sip = config.read(bench.instance.settings_path).sip
    page = replace(profiles.connection(found, sip), password=issued.password)
    trunk = connect.asterisk(page)
    if direct_media:
        trunk = trunk.replace("direct_media = no\n", "")
    assert process.waited(lambda: endpoint_state(bench.instance, issued.username) is not None, 10, 0.1)
    asterisk, port = bench.instance.asterisk, bench.instance.ports.sip
    to = NUMBERS["answered"]
    with pbx.running(asterisk, folder, trunk, issued.username, port, sent_on=SENT_ON, to=to) as made:
        assert process.waited(made.registered, 15, 0.2), made.told("pjsip show registrations")
        phone = Phone(made.port, pbx.EXTENSION, pbx.PASSWORD)
        phone.takes_reinvites = True
        try:
            assert phone.register().status == 200
            yield Office(made, phone, issued.username)
        finally:
            phone.close()


@pytest.mark.parametrize("direct_media", [False, True], ids=["as printed", "direct media"])
def test_a_stock_pbx_calls_holds_transfers_and_is_called(
    bench: Bench, issued: profiles.Credentials, tmp_path: Path, direct_media: bool
) -> None:
    """Out and in, hold and on, a transfer by its phone, a transfer by itself (REFER to us): each call has its CDR."""
    with office_of(bench, issued, tmp_path, direct_media=direct_media) as office:
        outcome = bench.begin("out, held, and on")
        call = office.phone.call(NUMBERS["answered"])
        call.answered()
        for body in (sdp(HOLD, version=2), sdp(version=3)):
            assert invited_anew(call, body) == 200
        bench.until(outcome, "it is up", lambda: bench.answered() == 1, 5)
        assert call.bye() == 200
        (cdr,) = ended(bench, outcome)
        assert (cdr.ending, cdr.called, cdr.hung_up_by) == ("ok", NUMBERS["answered"], "caller")

        outcome = bench.begin("transferred by its phone")
        call = office.phone.call(NUMBERS["answered"])
        call.answered()
        bench.until(outcome, "the PBX has joined its legs", office.pbx.talks, 5)
        refer = {"Refer-To": f"<sip:{NUMBERS['answered_us']}@127.0.0.1:{office.pbx.port}>"}
        assert call.request("REFER", "", refer).status == 202
        bench.until(outcome, "both calls are up", lambda: bench.answered() == 2, 5)
        bench.instance.far_end_hangs_up()
        cdrs = ended(bench, outcome)
        assert {(each.ending, each.called) for each in cdrs} == {
            ("ok", NUMBERS["answered"]),
            ("ok", NUMBERS["answered_us"]),
        }

        cdr = taken(bench, office.phone, NUMBER)
        assert (cdr.ending, cdr.direction, cdr.called, cdr.hung_up_by) == ("ok", "in", NUMBER, "callee")

        outcome = bench.begin("transferred by itself")
        run = called_from_the_network(bench, SENT_ON)
        bench.until(outcome, "the call in, and one out", lambda: bench.answered() == 2, 5)
        run.end()
        bench.instance.far_end_hangs_up()
        cdrs = ended(bench, outcome)
        assert sorted((each.direction, each.called, each.ending) for each in cdrs) == [
            ("in", SENT_ON, "ok"),
            ("out", NUMBERS["answered"], "ok"),
        ]


def test_a_stock_pbx_comes_and_goes(bench: Bench, issued: profiles.Credentials, tmp_path: Path) -> None:
    """While it is not registered a call in fails; as soon as it is again, it rings. With another password it is
    refused, and the call that is up goes on.
    """
    with office_of(bench, issued, tmp_path, direct_media=False) as office:

        def state() -> str | None:
            """Whether our Asterisk has a contact of it."""
            return endpoint_state(bench.instance, office.username)

        outcome = bench.begin("not registered")
        office.pbx.told("pjsip send unregister *all")
        bench.until(outcome, "it is away", lambda: state() == "offline", 5)
        run = called_from_the_network(bench, NUMBER, tolerant=True)
        bench.until(outcome, "a CDR", lambda: len(bench.new_cdrs()) == 1, 5)
        run.end()
        (cdr,) = ended(bench, outcome)
        assert (cdr.ending, cdr.called) == ("failed", NUMBER)

        outcome = bench.begin("registered again")
        office.pbx.told("pjsip send register *all")
        bench.until(outcome, "it is back", lambda: state() == "online", 5)
        run = called_from_the_network(bench, NUMBER)
        rings = office.phone.rings()
        rings.picks_up()
        bench.until(outcome, "it is up", lambda: bench.answered() == 1, 5)
        stranger = Phone(bench.instance.ports.sip, issued.username, "another password")
        assert stranger.register().status in (401, 403)
        stranger.close()
        assert bench.answered() == 1
        assert rings.bye() == 200
        run.end()
        (cdr,) = ended(bench, outcome)
        assert (cdr.ending, cdr.hung_up_by) == ("ok", "callee")


def ended(bench: Bench, outcome: Outcome) -> list[CdrView]:
    """The CDRs of a scenario in which everything came as it was waited for."""
    found = bench.end(outcome)
    assert outcome.problems == []
    return found


def taken(bench: Bench, phone: Phone, number: str) -> CdrView:
    """The CDR of a call to a number that a phone takes and hangs up."""
    outcome = bench.begin(f"called at {number}")
    run = called_from_the_network(bench, number)
    rings = phone.rings()
    rings.picks_up()
    bench.until(outcome, "it is up", lambda: bench.answered() == 1, 5)
    assert rings.bye() == 200
    run.end()
    (cdr,) = ended(bench, outcome)
    return cdr


def invited_anew(call: Dialog, body: str) -> int:
    """The answer to an INVITE in a call; again while the other side's own is under way (491; RFC 3261, 14.1)."""
    found: list[int] = []

    def answered() -> bool:
        call.phone.listen(0.1)
        found.append(call.request("INVITE", body).status)
        return found[-1] != 491

    assert process.waited(answered, 5, 0.2)
    return found[-1]


def called_from_the_network(bench: Bench, number: str, *, tolerant: bool = False) -> sipp.Running:
    """Somebody calls, and stays until the far side hangs up; `tolerant`: or is refused."""
    row, port = ("+442079460999", "", number), bench.instance.ports.carrier
    return bench.sipp("both-ways/network-until-bye.xml", row, port, calls=1, rate=1, tolerant=tolerant).start()
