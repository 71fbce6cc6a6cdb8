"""A company's balance and its profiles' credit: top-ups, allocations, take-backs, auto-recharge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from connector.billing import ledger, payments
from connector.core import kept, times
from connector.core.access import Scope
from connector.core.formats import shown
from connector.core.ledger import company_account, moved, profile_account
from connector.core.payments import reference as reference_of
from connector.database import reference
from connector.database.audit import audited
from connector.database.models import Company, Recharge
from connector.database.named import company_row, open_profile_row, profile_row
from connector.database.store import fitting, reading, rows, writing
from connector.errors import BadInput
from connector.notices import notices

_OF_PROFILE = "profile_id = ?"


@dataclass(frozen=True)
class Balance:
    """What a company has, in micros: `available` is free, `held` is bound by calls."""

    company: str
    currency: str
    available_micros: int
    held_micros: int


@dataclass(frozen=True)
class Credit:
    """What a profile has, in micros, and how it is recharged. `recharged_micros` is this month's."""

    profile: str
    currency: str
    available_micros: int
    held_micros: int
    recharge_amount_micros: int | None
    recharge_threshold_micros: int | None
    recharge_monthly_limit_micros: int | None
    recharged_micros: int


@audited("company.top-up")
def top_up(
    micros: int, key: str, now: int, company: str | None = None, *, reference: str = "", received_on: str = ""
) -> Balance:
    """Money comes in from outside to the company's balance. The same `key` again changes nothing.

    `reference`: the payment reference that came with it; `received_on`: the day of the payment, 2026-11-30. Both are
    kept in the words of the ledger's entry. BadInput for a reference that is not the company's, and for another day.
    """
    with writing():
        row = company_row(company)
        payments.record(row, micros, key, now, reference, received_on)
        return _balance(row)


def payment_reference(company: str | None = None) -> str:
    """The reference of a company's bank transfers: ISO 11649."""
    with reading():
        return reference_of(company_row(company).id)


def balance(company: str | None = None) -> Balance:
    """What a company has."""
    with reading():
        return _balance(company_row(company))


@audited("credit.add")
def add(profile: str, micros: int, key: str, now: int) -> Credit:
    """Move money from the company's balance to a profile's credit. The same `key` again changes nothing."""
    with writing():
        row = open_profile_row(profile)
        source, target = company_account(row.company_id, "balance"), profile_account(row.id, "credit")
        about = kept.CREDIT_FOR.write(name=row.name)
        ledger.post(row.company_id, f"add:{key}", "add", now, moved(micros, source, target), about)
        return _credit(row, now)


@audited("credit.take-back")
def take_back(profile: str, micros: int, key: str, now: int) -> Credit:
    """Move free credit back to the company; what calls hold stays. The same `key` again changes nothing."""
    with writing():
        row = open_profile_row(profile)
        source, target = profile_account(row.id, "credit"), company_account(row.company_id, "balance")
        about = kept.CREDIT_TAKEN_BACK.write(name=row.name)
        if ledger.post(row.company_id, f"take-back:{key}", "take-back", now, moved(micros, source, target), about):
            payments.collect(row.company_id, f"take-back:{key}", now)
        return _credit(row, now)


def credit(profile: str, now: int) -> Credit:
    """What a profile has."""
    with reading():
        return _credit(profile_row(profile), now)


def available(scope: Scope) -> dict[str, int]:
    """The free credit of every profile that somebody sees and that was not deleted, by its username."""
    every = (
        "SELECT p.username, COALESCE(a.balance, 0) FROM profile p"
        " LEFT JOIN account a ON a.name = 'profile:' || p.id || ':credit' WHERE p.status <> 'archived'"
    )
    sql, values = fitting(every, ("p.company_id = ?", scope.company), ("p.id = ?", scope.profile))
    with reading():
        return dict(rows(sql, *values))


@audited("recharge.set")
def set_recharge(profile: str, amount: int, threshold: int, monthly_limit: int | None, now: int) -> Credit:
    """Recharge the profile by `amount` whenever its free credit falls below `threshold`, and now if it is below.

    Never more than `monthly_limit` in a calendar month of the company's time zone. All in micros. BadInput if the limit
    would allow none.
    """
    if monthly_limit is not None and monthly_limit < amount:
        raise BadInput("the monthly limit is less than one recharge")
    with writing():
        row = open_profile_row(profile)
        Recharge.delete().where(Recharge.profile == row).execute()
        Recharge.create(
            profile=row, amount_micros=amount, threshold_micros=threshold, monthly_limit_micros=monthly_limit
        )
        recharge_if_low(row, f"set:{row.id}:{now}", now)
        return _credit(row, now)


@audited("recharge.stop")
def stop_recharge(profile: str, now: int) -> Credit:
    """Recharge the profile no more."""
    with writing():
        row = profile_row(profile)
        Recharge.delete().where(Recharge.profile == row).execute()
        return _credit(row, now)


def recharges_below(profile: int) -> int | None:
    """The free credit below which a profile is recharged, in the caller's transaction; None if it never is."""
    setting = reference.one(Recharge, _OF_PROFILE, profile)
    return None if setting is None else int(setting.threshold_micros)


def recharge_if_low(profile: Any, cause: str, now: int) -> bool:
    """In the caller's transaction: one recharge if the free credit is below the threshold; False if none is set.

    `cause` is the key of the entry that lowered it: for each cause there is one recharge at most. If the company
    cannot pay, or the month's limit is reached, its people are told, once a day.
    """
    setting = reference.one(Recharge, _OF_PROFILE, profile.id)
    if setting is None:
        return False
    _recharge(profile, setting, cause, now)
    return True


def _recharge(profile: Any, setting: Any, cause: str, now: int) -> None:
    if ledger.entered(f"recharge:{cause}"):
        return
    target = profile_account(profile.id, "credit")
    source = company_account(profile.company_id, "balance")
    have = ledger.balances([source, target])
    if have[target] >= setting.threshold_micros:
        return
    company = Company.get_by_id(profile.company_id)
    amount = setting.amount_micros
    why = _why_not_recharged(profile, setting, company, have[source], now)
    if why:
        day = times.local_day(now, company.time_zone)
        text = kept.NOT_RECHARGED.write(name=profile.name, amount=shown(amount, company.currency), why=why)
        notices.tell(company.id, profile.id, "recharge_failed", f"recharge_failed:{profile.id}:{day}", text, now)
        return
    about = kept.RECHARGE.write(name=profile.name)
    ledger.post(profile.company_id, f"recharge:{cause}", "recharge", now, moved(amount, source, target), about)
    text = kept.RECHARGED.write(name=profile.name, amount=shown(amount, company.currency))
    notices.tell(company.id, profile.id, "recharged", f"recharged:{cause}", text, now)


def recharge_due(profile: Any, now: int) -> int:
    """What a recharge of a profile would bring now, in the caller's transaction; 0 if none is set or none can be."""
    setting = reference.one(Recharge, _OF_PROFILE, profile.id)
    if setting is None:
        return 0
    source = company_account(profile.company_id, "balance")
    company = Company.get_by_id(profile.company_id)
    refused = _why_not_recharged(profile, setting, company, ledger.balances([source])[source], now)
    return 0 if refused else int(setting.amount_micros)


def _why_not_recharged(profile: Any, setting: Any, company: Any, balance: int, now: int) -> str:
    """Why a profile cannot be recharged now, in words; "" if it can."""
    amount, limit = setting.amount_micros, setting.monthly_limit_micros
    if limit is not None and _recharged(profile, company, now) + amount > limit:
        return kept.LIMIT_REACHED.write(limit=shown(limit, company.currency))
    return kept.BALANCE_IS.write(have=shown(balance, company.currency)) if balance < amount else ""


def _recharged(profile: Any, company: Any, now: int) -> int:
    """What recharges have brought the profile in this calendar month."""
    since = times.month_start(times.local_month(now, company.time_zone), company.time_zone)
    sql = (
        "SELECT SUM(posting.amount) FROM entry JOIN posting ON posting.entry_id = entry.id"
        " WHERE entry.company_id = ? AND entry.kind = 'recharge' AND entry.at >= ? AND posting.account_id = ?"
    )
    ((total,),) = rows(sql, company.id, since, profile_account(profile.id, "credit"))
    return int(total or 0)


def _balance(row: Any) -> Balance:
    free, held = company_account(row.id, "balance"), company_account(row.id, "held")
    have = ledger.balances([free, held])
    return Balance(row.name, row.currency, have[free], have[held])


def _credit(row: Any, now: int) -> Credit:
    free, held = profile_account(row.id, "credit"), profile_account(row.id, "credit_held")
    have = ledger.balances([free, held])
    company = Company.get_by_id(row.company_id)
    setting = Recharge.get_or_none(Recharge.profile == row)
    return Credit(
        profile=row.name,
        currency=company.currency,
        available_micros=have[free],
        held_micros=have[held],
        recharge_amount_micros=setting.amount_micros if setting else None,
        recharge_threshold_micros=setting.threshold_micros if setting else None,
        recharge_monthly_limit_micros=setting.monthly_limit_micros if setting else None,
        recharged_micros=_recharged(row, company, now),
    )
