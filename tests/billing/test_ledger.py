"""The ledger: what it refuses, what it repeats, what it finds."""

from __future__ import annotations

import sqlite3

import pytest

from connector.billing import calls, credit, history, ledger, plans, profiles
from connector.billing.profiles import Credentials
from connector.core.ledger import Posting, balanced, company_account, moved
from connector.core.money import MICROS
from connector.core.plans import DAY_MS
from connector.database.models import Company
from connector.database.sqlite import FileStore
from connector.database.store import Store, lock, one, writing
from connector.errors import InsufficientFunds, KeyReused
from tests.billing.conftest import ON_SQLITE
from tests.billing.test_calls import admitted, finish
from tests.conftest import NOW, TAMPERED
from tests.databases import tamper


def raw(store: Store) -> sqlite3.Connection:
    """The store's file, as any other program may open it."""
    store.close()
    assert isinstance(store, FileStore)
    opened = sqlite3.connect(store.path)
    opened.execute("PRAGMA foreign_keys = 1")
    return opened


def tampered(store: Store, *statements: str) -> None:
    """Change the store behind the program's back."""
    tamper(store, *statements)
    TAMPERED.add(store.name)


@pytest.fixture
def used(office: Credentials, store: Store) -> Store:
    """A store with a call that cost something and one that is up."""
    finish(admitted(office.username).call_id, ended_at=NOW + 90_000)
    admitted(office.username)
    return store


def test_the_same_key_moves_money_once(company: str) -> None:
    """Said again it changes nothing; with other figures it is an error, and changes nothing either."""
    before = credit.balance().available_micros
    credit.top_up(5 * MICROS, "K", NOW)
    credit.top_up(5 * MICROS, "K", NOW + 1)
    assert credit.balance().available_micros == before + 5 * MICROS
    with pytest.raises(KeyReused):
        credit.top_up(6 * MICROS, "K", NOW)
    assert credit.balance().available_micros == before + 5 * MICROS


def test_nothing_goes_below_zero(office: Credentials) -> None:
    """More than there is cannot be moved, and what calls hold cannot be taken back."""
    with pytest.raises(InsufficientFunds, match=r"free credit is £10.00, but £10.000001 is needed"):
        credit.take_back("office", 10 * MICROS + 1, "a", NOW)
    admitted(office.username)
    with pytest.raises(InsufficientFunds):
        credit.take_back("office", 10 * MICROS, "b", NOW)
    assert credit.credit("office", NOW).held_micros == 23_000
    credit.take_back("office", 10 * MICROS - 23_000, "c", NOW)
    assert credit.credit("office", NOW).available_micros == 0


@ON_SQLITE
@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE posting SET amount = 1", "append only"),
        ("DELETE FROM posting", "append only"),
        ("UPDATE entry SET about = ''", "append only"),
        ("DELETE FROM entry", "append only"),
        ("INSERT INTO posting (entry_id, account_id, amount) VALUES (1, 'profile:1:credit', -10000000)", "CHECK"),
        ("INSERT INTO posting (entry_id, account_id, amount) VALUES (2, 'profile:1:credit_held', -23001)", "CHECK"),
        ("INSERT INTO posting (entry_id, account_id, amount) VALUES (1, 'profile:1:credit', 0)", "CHECK"),
        ("INSERT INTO posting (entry_id, account_id, amount) VALUES (99999, 'profile:1:credit', 5)", "FOREIGN KEY"),
        ("INSERT INTO posting (entry_id, account_id, amount) VALUES (1, 'profile:9:credit', 5)", "FOREIGN KEY"),
        ("INSERT INTO entry VALUES (NULL, 1, 1, 'x', '', 0, '', '')", "UNIQUE"),
        ("INSERT INTO entry VALUES (NULL, 1, 99, 'top-up:first', '', 0, '', '')",
         "UNIQUE"),
    ],
)  # fmt: skip
def test_the_store_itself_refuses(statement: str, said: str, used: Store) -> None:
    """History does not change, nothing goes below zero, more is never held than there is: whoever asks."""
    opened = raw(used)
    with pytest.raises(sqlite3.DatabaseError, match=said):
        opened.execute(statement)
        opened.commit()
    opened.rollback()
    opened.close()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE posting SET amount = amount + 1 WHERE id = 3", "the hash is not theirs"),
        ("UPDATE entry SET about = 'a gift' WHERE number = 2", "the hash is not theirs"),
        ("UPDATE entry SET at = at - 86400000 WHERE number = 3", "the hash is not theirs"),
        ("DELETE FROM posting WHERE entry_id = (SELECT MAX(id) FROM entry)", "the hash is not theirs"),
        ("UPDATE account SET balance = balance + 1 WHERE name = 'profile:1:credit'", "its postings add up to"),
        ("DELETE FROM hold", "the live calls hold 0"),
        ("UPDATE hold SET micros = micros + 1", "the live calls hold"),
        ("UPDATE charge SET price_micros = price_micros - 1", "does not follow from what it shows"),
        ("UPDATE cdr SET price_micros = 1 WHERE price_micros > 0", "does not follow from what it shows"),
        ("UPDATE cdr SET duration_ms = 1 WHERE price_micros > 0", "does not follow from what it shows"),
        ("DELETE FROM charge", "for a call that has no charge"),
        ("UPDATE closing SET balances = '{}' WHERE month = '2026-11'", "closing of 2026-11: it does not agree"),
        ("UPDATE closing SET balances = '{}' WHERE month = '2026-12'", "closing of 2026-12: it does not agree"),
        ("UPDATE term SET price_micros = price_micros * 100", "at other figures than its row"),
        ("UPDATE profile SET channels = 300", "does not have the channels of its term"),
        (
            "UPDATE account SET purpose = 'outside' WHERE name = 'profile:1:credit'",
            "not the account that its name says",
        ),
        ("UPDATE deck SET version = 'x'", "its version is not the hash"),
    ],
)
def test_a_tampered_row_is_found(statement: str, said: str, used: Store) -> None:
    """Whatever was changed behind the program's back, `verify` says so."""
    ledger.close_months(NOW + 62 * DAY_MS)
    assert ledger.verify().ok
    tampered(used, statement)
    report = ledger.verify()
    assert not report.ok
    assert any(said in problem for problem in report.problems), report.problems


@ON_SQLITE
def test_entries_that_were_taken_away_are_found(used: Store) -> None:
    """The last ones too, for the balances remember them; and so is a guard that is gone."""
    tampered(used, "DELETE FROM posting WHERE entry_id = (SELECT MAX(id) FROM entry)",
             "DELETE FROM entry WHERE id = (SELECT MAX(id) FROM entry)")  # fmt: skip
    assert any("its postings add up to" in problem for problem in ledger.verify().problems)
    opened = raw(used)
    opened.execute("DROP TRIGGER posting_no_update")
    opened.commit()
    opened.close()
    assert any("posting_no_update was taken" in problem for problem in ledger.verify().problems)
    opened = raw(used)
    opened.execute("CREATE TRIGGER posting_no_update BEFORE UPDATE ON posting BEGIN SELECT 1; END")
    opened.commit()
    opened.close()
    assert any("posting_no_update was replaced" in problem for problem in ledger.verify().problems)


def test_an_entry_that_does_not_balance_is_a_defect(company: str) -> None:
    """Money does not come from nowhere, nor do seconds become money."""
    row = Company.get()
    balance, sold = company_account(row.id, "balance"), company_account(row.id, "seconds_sold")
    assert not balanced([Posting(balance, 5), Posting(sold, -5)])
    with pytest.raises(AssertionError, match="do not balance"), writing():
        lock("id = ?", row.id)
        ledger.post(row.id, "x", "x", NOW, [Posting(balance, 5)], "")
    assert one(Company, "id = ?", row.id) is not None


def test_money_does_not_move_in_a_company_that_nobody_has_locked(company: str) -> None:
    """Two nodes would both be the next entry of its chain: that a lock was forgotten is seen on either store."""
    row = Company.get()
    lines = moved(5, company_account(row.id, "outside"), company_account(row.id, "balance"))
    with pytest.raises(AssertionError, match="nobody has locked"), writing():
        ledger.post(row.id, "x", "top-up", NOW, lines, "")
    with writing():
        with pytest.raises(AssertionError, match="nobody has locked"), writing():
            raise_after_lock(row.id)
        with pytest.raises(AssertionError, match="nobody has locked"):  # what was rolled back locks nothing
            ledger.post(row.id, "x", "top-up", NOW, lines, "")
    assert ledger.last_number(row.id) == 1


def raise_after_lock(company: int) -> None:
    """A part of a transaction that fails after it has locked a company."""
    lock("id = ?", company)
    raise AssertionError("nobody has locked: as far as the rest of it knows")


def test_the_ledgers_time_does_not_go_back(company: str) -> None:
    """The clock may be stepped back; an entry is never older than the one before it."""
    credit.top_up(MICROS, "later", NOW + 5_000)
    credit.top_up(MICROS, "earlier", NOW - 5_000)
    assert [entry.at for entry in ledger.entries(2)] == [NOW + 5_000, NOW + 5_000]


def test_a_month_that_is_over_is_closed_once(office: Credentials) -> None:
    """Its balances are kept; nothing is entered before its end any more; a second look closes nothing."""
    (closing, *more) = ledger.close_months(NOW + 62 * DAY_MS)
    assert closing.month == "2026-11"
    assert [view.month for view in more] == ["2026-12"]
    assert closing.balances["profile:1:credit"] == 10 * MICROS
    assert ledger.close_months(NOW + 62 * DAY_MS) == []
    credit.top_up(MICROS, "late", NOW)
    assert ledger.entries(1)[0].at > NOW + 30 * DAY_MS
    assert ledger.verify().ok
    assert [view.month for view in ledger.closings("Acme")] == ["2026-11", "2026-12"]


def test_two_companies_have_chains_of_their_own(office: Credentials) -> None:
    """What one does is not in the other's."""
    profiles.create_company("Other", "EUR", "Europe/Berlin", NOW)
    credit.top_up(MICROS, "other", NOW, "Other")
    assert [entry.number for entry in ledger.entries(9, "Other")] == [1]
    assert set(ledger.accounts("Other")) == {"company:2:balance", "company:2:outside"}
    assert ledger.verify().heads.keys() == {"Acme", "Other"}


def test_a_deleted_profile_gives_back_what_it_has(office: Credentials) -> None:
    """Free credit at once, what a call up holds when it ends; numbers go to the pool; CDRs stay."""
    call = admitted(office.username)
    before = credit.balance().available_micros
    gone = plans.delete_profile("office", NOW + 1_000)
    assert (gone.credit_micros, gone.numbers) == (10 * MICROS - 23_000, ["+442079460100"])
    assert credit.balance().available_micros == before + gone.credit_micros
    assert len(calls.live()) == 1
    finish(call.call_id, ended_at=NOW + 30_000)
    assert credit.balance().available_micros == before + 10 * MICROS - 11_500
    assert profiles.list_profiles() == []
    assert history.cdrs(1)[0].price_micros == 11_500
    profiles.create_profile("office", 1, "asterisk", NOW)


def test_moving_nothing_is_no_entry() -> None:
    """A hold for a call that costs nothing leaves no entry."""
    assert moved(0, "company:1:balance", "company:1:usage") == []
