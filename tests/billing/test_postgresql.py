"""The same tables and guards on PostgreSQL: what must never be is refused by the database itself, whichever it is."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import peewee
import psycopg
import pytest
from playhouse.migrations import Runner

from connector.billing import calls, credit, decks, ledger, plans, profiles
from connector.billing.models import database
from connector.billing.profiles import Credentials
from connector.core.calls import Admitted
from connector.core.money import MICROS
from connector.core.plans import DAY_MS
from lab import postgresql
from lab.run import ASTERISK_HOME
from tests.billing.test_calls import attempt, finish
from tests.conftest import DECK, NOW

MIGRATIONS = Path(ledger.__file__).parent / "migrations"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A PostgreSQL of our own."""
    with postgresql.running(ASTERISK_HOME / "postgresql") as folder:
        yield folder


@pytest.fixture
def store(server: str) -> Iterator[peewee.PostgresqlDatabase]:
    """An empty database on it, migrated."""
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(host=server, user="lab", dbname="postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
    opened = peewee.PostgresqlDatabase(name, host=server, user="lab")
    before = database.obj
    database.initialize(opened)
    assert len(Runner(opened, str(MIGRATIONS)).up()) == len(list(MIGRATIONS.glob("0*.py")))
    yield opened
    opened.close()
    database.initialize(before)


@pytest.fixture
def office(store: peewee.PostgresqlDatabase) -> Credentials:
    """A company with money and rates, a profile with 3 channels and 10 pounds, and a call that is up."""
    profiles.create_company("Acme", "GBP", "Europe/London", NOW)
    profiles.create_trunk("carrier", "127.0.0.1", 5070, NOW)
    credit.top_up(1_000 * MICROS, "first", NOW)
    decks.load(DECK, "rates", NOW)
    made = profiles.create_profile("office", 3, "asterisk", NOW)
    credit.add("office", 10 * MICROS, "first", NOW)
    assert isinstance(calls.admit(attempt(made.username), "node"), Admitted)
    return made


def test_a_company_lives_on_postgresql_too(office: Credentials) -> None:
    """Calls, bundles, changes, renewals and closings; and the books add up."""
    plans.change("office", 3, 1, NOW + DAY_MS)
    for number in ("+442079460001", "+12125550100"):
        got = calls.admit(attempt(office.username, number), "node")
        assert isinstance(got, Admitted)
        calls.answered(got.call_id, NOW, "B")
        assert calls.extend(got.call_id, 60, NOW) == 120
        finish(got.call_id, answered_at=NOW, ended_at=NOW + 61_000)
        assert calls.explain(got.call_id).agrees
    for call in calls.live():
        finish(call.id)
    plans.renew_due(NOW + 40 * DAY_MS)
    assert len(ledger.close_months(NOW + 40 * DAY_MS)) == 1
    plans.delete_profile("office", NOW + 41 * DAY_MS)
    report = ledger.verify()
    assert report.problems == []
    assert report.entries >= 10


POSTING = "INSERT INTO posting (entry_id, account_id, amount) VALUES ({}, 'profile:1:{}', {})"
CALL = (
    "INSERT INTO call (id, node, profile_id, slot, direction, caller_id, dialled, called, trunk_id, gate_leg,"
    " transferred, started_at, seen_at) VALUES ('x', 'n', 1, {}, 'out', '', '', '', 1, '', false, 0, 0)"
)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE posting SET amount = 1", "append only"),
        ("DELETE FROM posting", "append only"),
        ("UPDATE entry SET about = ''", "append only"),
        ("DELETE FROM entry", "append only"),
        (POSTING.format(1, "credit", -10_000_000), "check constraint"),
        (POSTING.format(2, "credit_held", -23_001), "check constraint"),
        (POSTING.format(1, "credit", 0), "check constraint"),
        (POSTING.format(9999, "credit", 5), "foreign key"),
        (CALL.format(1), "unique constraint"),
        (CALL.format(4), "more channels than the profile has"),
        ("INSERT INTO term (company_id, profile_id, channels, bundles, price_micros, bundles_price_micros, periods,"
         " starts_at, ends_at, renews) VALUES (1, 1, 1, 0, 0, 0, 1, 0, 1, true)", "unique constraint"),
    ],
)  # fmt: skip
def test_the_store_itself_refuses(
    statement: str, said: str, office: Credentials, store: peewee.PostgresqlDatabase
) -> None:
    """History does not change, nothing goes below zero, no more is held than is there, no channel is oversold."""
    with pytest.raises(peewee.DatabaseError, match=said), store.atomic():
        store.execute_sql(statement)  # type: ignore[no-untyped-call]
    assert ledger.verify().problems == []
