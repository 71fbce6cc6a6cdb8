"""Admission, the life of a row, and CDRs."""

from __future__ import annotations

import multiprocessing
import uuid
from collections.abc import Callable

import pytest

from connector.billing import calls, credit, history, profiles
from connector.billing.history import CdrView, Wanted
from connector.billing.profiles import Credentials
from connector.config import StoreSettings
from connector.core import refusals
from connector.core.access import Scope
from connector.core.calls import Admitted, Attempt, Direction, Progress
from connector.core.money import MICROS
from connector.core.paging import Turn, every
from connector.core.refusals import Refusal
from connector.core.routes import Hop
from connector.core.trunks import Target
from connector.database.models import Profile
from connector.database.sqlite import FileStore
from connector.database.store import Store, writing
from connector.errors import NotFound, StoreUnavailable
from connector.storage import stores
from tests.billing.conftest import ON_SQLITE
from tests.conftest import NOW
from tests.databases import place_of

NODE = "node"


def attempt(
    source: str, dialled: str = "+442079460001", direction: Direction = Direction.OUT, leg: str = ""
) -> Attempt:
    """A call at the gate."""
    return Attempt(uuid.uuid4().hex, direction, leg or uuid.uuid4().hex, source, dialled, "+442079460100", NOW, NOW + 3)


def admitted(source: str) -> Admitted:
    """A call out that was admitted."""
    got = calls.admit(attempt(source), NODE)
    assert isinstance(got, Admitted)
    return got


def finish(call_id: str, leg: str = "A", answered_at: int | None = NOW + 10, ended_at: int = NOW + 20) -> None:
    """End a call in the ordinary way."""
    progress = Progress(leg)
    progress.answered_at = answered_at
    progress.leg_ended(leg, ended_at, 16)
    calls.ended(call_id, progress, max(NOW, ended_at))


def test_an_admitted_call_is_a_row_that_is_the_channel(office: Credentials) -> None:
    """The row is there when admission returns, and says where the call goes."""
    got = admitted(office.username)
    assert (got.called, got.profile, got.channels) == ("+442079460001", office.username, 3)
    assert got.targets == (
        Target("connector-carrier", "+442079460001", ("408", "500", "502", "503", "504"), "+442079460100"),
    )
    (row,) = calls.live()
    assert (row.id, row.profile, row.direction, row.started_at, row.answered_at) == (
        got.call_id,
        "office",
        "out",
        NOW,
        None,
    )
    assert profiles.show_profile("office").channels_in_use == 1


def test_the_limit_is_exact_and_a_channel_comes_back(office: Credentials) -> None:
    """With 3 channels the 4th call is refused, and admitted once one of the three is over; calls in count too."""
    first = admitted(office.username)
    admitted(office.username)
    got = calls.admit(attempt("carrier", "+442079460100", Direction.IN), NODE)
    assert isinstance(got, Admitted)
    assert got.hops == (Hop("ring", (), 60, ("number +442079460100",)),)
    assert calls.admit(attempt(office.username), NODE) is refusals.CHANNELS_FULL
    assert calls.admit(attempt("carrier", "+442079460100", Direction.IN), NODE) is refusals.CHANNELS_FULL
    finish(first.call_id)
    admitted(office.username)
    assert len(calls.live()) == 3


# direction, source, dialled, status of the profile -> refusal
PRECEDENCE = """
out nobody  +442079460001 active    -> profile_unknown
out nobody  rubbish       active    -> profile_unknown
out office  rubbish       suspended -> profile_not_active
out office  rubbish       active    -> number_invalid
out office  +442079460001 inactive  -> profile_not_active
in  nobody  +442079460100 active    -> no_trunk
in  carrier rubbish       active    -> number_unknown
in  carrier rub&bish      active    -> number_invalid
in  carrier +442079460999 active    -> number_unknown
in  carrier +442079460100 archived  -> profile_not_active
"""


@pytest.mark.parametrize("line", PRECEDENCE.strip().splitlines())
def test_refusals_speak_in_their_order(line: str, office: Credentials) -> None:
    """Of several reasons the first is told, and it is in the CDR with what is known of the call."""
    direction, source, dialled, status, _, wanted = line.split()
    with writing():
        Profile.update(status=status).execute()
    source = office.username if source == "office" else source
    got = calls.admit(attempt(source, dialled, Direction(direction)), NODE)
    assert isinstance(got, Refusal)
    assert got.code == wanted
    (cdr,) = history.cdrs(10)
    assert (cdr.refusal, cdr.ending, cdr.cause, cdr.dialled) == (wanted, "refused", got.cause, dialled)
    assert (cdr.duration_ms, cdr.answered_at, cdr.started_at, cdr.ended_at) == (0, None, NOW, NOW + 3)
    assert cdr.profile == ("office" if source == office.username or wanted == "profile_not_active" else None)
    assert cdr.called == (dialled if dialled.startswith("+") and source != "nobody" else None)
    assert calls.live() == []


def test_a_call_without_a_carrier_is_refused(store: Store) -> None:
    """No way out is a refusal, not an error."""
    profiles.create_company("Acme", "GBP", "Europe/London", NOW)
    credit.top_up(100 * MICROS, "first", NOW)
    made = profiles.create_profile("office", 3, "asterisk", NOW)
    assert calls.admit(attempt(made.username), NODE) is refusals.NO_TRUNK


def test_ending_a_call_again_changes_nothing(office: Credentials) -> None:
    """One call, one CDR, however often its end is told."""
    got = admitted(office.username)
    calls.answered(got.call_id, NOW + 10, "B")
    calls.answered(got.call_id, NOW + 15, "B")
    assert calls.live()[0].answered_at == NOW + 10
    finish(got.call_id)
    finish(got.call_id, ended_at=NOW + 900)
    (cdr,) = history.cdrs(10)
    assert (cdr.id, cdr.duration_ms, cdr.ending, cdr.cause, cdr.other_leg) == (got.call_id, 10, "ok", 16, "B")
    assert cdr.price_micros == 11_500
    assert calls.live() == []


def test_calls_are_noted_alive_in_any_number(office: Credentials) -> None:
    """Never backwards, and for more calls than one statement may name."""
    got = admitted(office.username)
    many = [uuid.uuid4().hex for _ in range(1200)]
    calls.seen([*many, got.call_id], NOW + 5000)
    calls.seen([got.call_id], NOW + 4000)
    assert calls.live()[0].seen_at == NOW + 5000


def test_live_calls_can_be_those_of_one_node(office: Credentials) -> None:
    """A node takes back its own calls only."""
    admitted(office.username)
    assert len(calls.live(NODE)) == 1
    assert calls.live("another") == []


def test_a_cdr_is_found_by_the_beginning_of_its_id(office: Credentials) -> None:
    """What stands in the table is enough; what fits nothing or everything is said to."""
    got = admitted(office.username)
    finish(got.call_id)
    assert history.cdr(got.call_id[:8]).id == got.call_id
    for wrong in ("zzzz", "", "%%%%"):
        with pytest.raises(NotFound):
            history.cdr(wrong)


def test_what_the_network_sent_is_kept_harmless(office: Credentials) -> None:
    """Hostile caller ids and dialled strings go into the CDR short and printable."""
    hostile = Attempt(
        uuid.uuid4().hex, Direction.OUT, "leg", office.username, "'; DROP TABLE cdr;--\x00", "\x1b[2J" * 50, NOW, NOW
    )
    calls.admit(hostile, NODE)
    (cdr,) = history.cdrs(10)
    assert cdr.dialled == "'; DROP TABLE cdr;--?"
    assert len(cdr.caller_id) == 64
    assert cdr.caller_id.isprintable()


@ON_SQLITE
def test_a_store_that_is_gone_admits_nothing(office: Credentials, store: FileStore) -> None:
    """What cannot be written cannot be admitted: the error says so, and nothing is half done."""
    store.close()
    store.path.rename(store.path.with_suffix(".away"))
    store.path.mkdir()
    with pytest.raises(StoreUnavailable):
        calls.admit(attempt(office.username), NODE)
    store.path.rmdir()
    store.path.with_suffix(".away").rename(store.path)
    assert calls.live() == []


def grab(place: StoreSettings, username: str, tries: int, answers: multiprocessing.Queue[int]) -> None:
    """One process that wants as many channels as it can get."""
    stores.opened(place)
    answers.put(sum(isinstance(calls.admit(attempt(username), NODE), Admitted) for _ in range(tries)))


@ON_SQLITE  # on PostgreSQL: tests/billing/test_nodes.py
def test_many_processes_together_get_exactly_the_channels_bought(store: Store, company: str) -> None:
    """Four processes, 400 attempts, 300 channels: 300 admitted, 100 refused, no slot twice."""
    made = profiles.create_profile("office", 300, "asterisk", NOW)
    credit.add("office", 100 * MICROS, "first", NOW)
    context = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[int] = context.Queue()
    workers = [context.Process(target=grab, args=(place_of(store), made.username, 100, answers)) for _ in range(4)]
    for worker in workers:
        worker.start()
    assert sum(answers.get(timeout=300) for _ in workers) == 300
    for worker in workers:
        worker.join()
    assert len(calls.live()) == 300
    assert len(history.cdrs(1000)) == 100


def test_the_history_comes_in_pages_that_miss_nothing(
    store: Store, office: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is asked for, and however few CDRs a page looks at: all of them, once, the newest first."""
    monkeypatch.setattr(history, "LOOKED_AT", 5)
    monkeypatch.setattr(history, "MOST_LOOKED_AT", 10)
    for number in range(40):
        dialled = "+449000000001" if number % 7 == 0 else "+442079460001"
        at = NOW + number // 3 * 1000  # three end at the same moment
        calls.admit(
            Attempt(f"call-{number:02d}", Direction.OUT, "leg", office.username, dialled, "101", at, at), "node"
        )
    for call in calls.live():
        calls.ended_unseen(call, None, NOW + 50_000)
    everything = sorted(history.cdrs(100), key=lambda cdr: (cdr.ended_at, cdr.id), reverse=True)
    assert len(everything) == 40
    asked: list[tuple[Wanted, Callable[[CdrView], bool]]] = [
        (Wanted(), lambda cdr: True),
        (Wanted(profile=office.username), lambda cdr: cdr.profile == "office"),
        (Wanted(profile="nobody"), lambda cdr: False),
        (Wanted(refusal="destination_blocked"), lambda cdr: cdr.refusal == "destination_blocked"),
        (Wanted(number="+449"), lambda cdr: cdr.dialled.startswith("+449")),
        (Wanted(direction="in"), lambda cdr: False),
        (Wanted(since=NOW + 3000, until=NOW + 9000), lambda cdr: NOW + 3000 <= cdr.ended_at < NOW + 9000),
        (Wanted(ending="refused", until=NOW + 9000), lambda cdr: cdr.ending == "refused" and cdr.ended_at < NOW + 9000),
    ]
    for wanted, fits in asked:
        found = every(lambda each, wanted=wanted: history.cdr_page(Scope(1), each, wanted), "is")  # type: ignore[misc]
        assert [cdr.id for cdr in found] == [cdr.id for cdr in everything if fits(cdr)], wanted
    assert history.cdr_page(Scope(2), Turn(), Wanted()).items == []
