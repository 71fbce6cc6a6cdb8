"""A company's FreePBX as a profile's PBX. Its trunk is typed from `connector profile connect --for freepbx`.

The PBX is a look-alike (lab/freepbx.py): an Asterisk with FreePBX's files, contexts and ways of trying trunks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from connector import config
from connector.billing import credit, profiles
from connector.clock import SystemClock
from connector.core import connect
from lab import client, freepbx, pbx, process
from lab.far_end import NUMBERS
from lab.load import Bench
from lab.phone import Phone
from lab.ports import HOST, free_udp_port
from lab.run import endpoint_state
from tests.sipp.test_foreign_pbx import called_from_the_network, ended, taken

FIRST, SECOND = "+442079460660", "+442079460661"


@dataclass
class Office:
    """The PBX, its phone, and the trunk that it tries after ours, which answers nothing by itself."""

    pbx: pbx.StockPbx
    phone: Phone
    spare: Phone


@pytest.fixture(scope="module")
def issued(running_bench: Bench) -> profiles.Credentials:
    """The PBX's profile, with two numbers."""
    now = SystemClock().now_ms()
    return running_bench.in_store(lambda: client.issue("freepbx", "udp", FIRST, now, SECOND, called_in="uri"))


@pytest.fixture
def office(bench: Bench, issued: profiles.Credentials, tmp_path: Path) -> Iterator[Office]:
    """The PBX, registered, with a phone that is registered there. The first number rings it; the second is an echo."""
    found = bench.in_store(lambda: profiles.show_profile(issued.username))
    page = replace(profiles.connection(found, config.read(bench.instance.settings_path).sip), password=issued.password)
    fields = dict(connect.freepbx(page))
    assert process.waited(lambda: endpoint_state(bench.instance, issued.username) is not None, 10, 0.1)
    spare_port, sip = free_udp_port(), bench.instance.ports.sip
    dids = {FIRST: f"Dial(PJSIP/{pbx.EXTENSION},30)", SECOND: "Answer()\n same => n,Echo()"}
    asterisk = bench.instance.asterisk
    with freepbx.running(asterisk, tmp_path, fields, f"{HOST}:{sip}", spare_port, dids) as made:
        assert process.waited(made.registered, 15, 0.2), made.told("pjsip show registrations")
        phone, spare = Phone(made.port, pbx.EXTENSION, pbx.PASSWORD), Phone(made.port, "spare", port=spare_port)
        try:
            assert phone.register().status == 200
            yield Office(made, phone, spare)
        finally:
            phone.close()
            spare.close()


def test_it_calls_and_its_numbers_are_told_apart(bench: Bench, office: Office) -> None:
    """A call out by its outbound route; a call to each of its numbers goes where its inbound route says."""
    outcome = bench.begin("out")
    call = office.phone.call(NUMBERS["answered"])
    call.answered()
    bench.until(outcome, "it is up", lambda: bench.answered() == 1, 5)
    assert call.bye() == 200
    (cdr,) = ended(bench, outcome)
    assert (cdr.ending, cdr.direction, cdr.called) == ("ok", "out", NUMBERS["answered"])

    cdr = taken(bench, office.phone, FIRST)
    assert (cdr.ending, cdr.direction, cdr.called) == ("ok", "in", FIRST)

    outcome = bench.begin("in, to the second")
    run = called_from_the_network(bench, SECOND)
    bench.until(outcome, "it is up, and no phone rang", lambda: bench.answered() == 1, 5)
    office.pbx.told("channel request hangup all")
    bench.until(outcome, "it is over", lambda: bench.live() == 0, 5)
    run.end()
    (cdr,) = ended(bench, outcome)
    assert (cdr.ending, cdr.direction, cdr.called) == ("ok", "in", SECOND)


def test_it_tries_its_next_trunk_where_that_helps(bench: Bench, office: Office) -> None:
    """If the connector is away, or the profile is suspended, without credit, or full, the call goes by the PBX's next
    trunk; if the number is unknown or busy it does not.
    """
    for number, status in ((NUMBERS["unknown"], 404), (NUMBERS["busy"], 486)):
        outcome = bench.begin(number)
        assert office.phone.call(number).refused() == status
        bench.until(outcome, "it is over", lambda: bench.live() == 0, 5)
        ended(bench, outcome)
    office.spare.listen(0.2)
    assert [each for each in office.spare.heard if each.method == "INVITE"] == []

    with bench.without_connector():
        _by_the_spare(office)

    outcome = bench.begin("suspended")
    bench.in_store(lambda: profiles.set_state("freepbx", "suspended"))
    try:
        _by_the_spare(office)
    finally:
        bench.in_store(lambda: profiles.set_state("freepbx", "open"))
    (cdr,) = ended(bench, outcome)
    assert (cdr.ending, cdr.refusal) == ("refused", "profile_suspended")

    outcome = bench.begin("no credit")
    now = SystemClock().now_ms()
    free = bench.in_store(lambda: credit.credit("freepbx", now)).available_micros
    bench.in_store(lambda: credit.take_back("freepbx", free, "all of it", now))
    try:
        _by_the_spare(office)
    finally:
        bench.in_store(lambda: credit.add("freepbx", free, "again", now))
    (cdr,) = ended(bench, outcome)
    assert (cdr.ending, cdr.refusal) == ("refused", "no_credit")

    outcome = bench.begin("full")
    held = [office.phone.call(NUMBERS["answered"]) for _ in range(client.CHANNELS)]
    for call in held:
        call.answered()
    bench.until(outcome, "all channels are in use", lambda: bench.answered() == client.CHANNELS, 5)
    _by_the_spare(office)
    assert [call.bye() for call in held] == [200] * client.CHANNELS
    found = ended(bench, outcome)
    assert sorted(cdr.refusal or cdr.ending for cdr in found) == ["channels_full", *["ok"] * client.CHANNELS]


def _by_the_spare(office: Office) -> None:
    """A call out arrives at the spare trunk, is answered there, and is ended."""
    call = office.phone.call(NUMBERS["answered"])
    rings = office.spare.rings()
    rings.picks_up()
    call.answered()
    assert call.bye() == 200
    bye = office.spare.wait(lambda each: each.method == "BYE", "a BYE")
    rings.replies(bye, 200)
