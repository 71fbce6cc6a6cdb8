"""Thresholds: what a company wants to be told of besides. Looked at with the other alerts (billing/alerts.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from peewee import JOIN

from connector.core import alerts as core
from connector.core import kept, times
from connector.core.access import Scope
from connector.core.alerts import DOWN_MS, MOST_THRESHOLDS, THRESHOLDS
from connector.core.formats import shown
from connector.core.ledger import company_account, profile_account
from connector.core.money import amount
from connector.database.audit import audited
from connector.database.models import Company, Profile, Threshold
from connector.database.named import owner_and_profile
from connector.database.store import lock, reading, rows, run, writing
from connector.errors import BadInput, NotFound
from connector.routing.reachability import ReachView
from connector.words import marked, phrase


@dataclass(frozen=True)
class ThresholdView:
    """A threshold: of a company, or with `profile` of that one. `limit` is in micros of `currency` or a count, as its
    kind says (core/alerts.py).
    """

    id: int
    company: str
    profile: str | None
    currency: str
    kind: str
    limit: int

    @property
    def words(self) -> str:
        """What it says, for people."""
        unit, words = THRESHOLDS[self.kind].unit, marked(THRESHOLDS[self.kind].words)
        if not unit:
            return words
        limit = shown(self.limit, self.currency) if unit == "money" else str(self.limit)
        return phrase("{what} {limit}", what=words, limit=limit)


@dataclass(frozen=True)
class Passed:
    """A threshold that is passed now. `since` is part of what it is told once by: a day, or an instant."""

    threshold: int
    company: int
    profile: int | None
    kind: str
    since: str
    text: str


def views(scope: Scope) -> list[ThresholdView]:
    """All that somebody sees, by their company and profile."""
    with reading():
        found = _alive().order_by(Company.name, Threshold.id)
        if scope.company is not None:
            found = found.where(Threshold.company == scope.company)
        if scope.profile is not None:
            found = found.where(Threshold.profile == scope.profile)
        return [_view(row) for row in found]


def limit_of(kind: str, text: str) -> int:
    """A threshold's limit as somebody typed it, by its kind: micros of a plain amount, a count, or 0. BadInput."""
    unit = THRESHOLDS[kind].unit if kind in THRESHOLDS else ""
    if unit == "money":
        return amount(text, "the value")
    if unit and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadInput("The value is a whole number.")
    return int(text) if unit else 0


@audited("threshold.create")
def create(kind: str, limit: int, company: str | None, profile: str | None, now: int) -> ThresholdView:
    """Tell when a threshold is passed, from now on. BadInput for one that says nothing; NotFound."""
    if kind not in THRESHOLDS:
        raise BadInput(
            "{kind!r} is not a kind of threshold. There are: {thresholds}.",
            kind=kind[:20],
            thresholds=", ".join(THRESHOLDS),
        )
    of = THRESHOLDS[kind]
    if of.needs_profile and not profile:
        raise BadInput("This threshold applies to a profile. Name the profile.")
    if profile and of.of_company:
        raise BadInput("This threshold applies to the whole company. Do not name a profile.")
    if of.unit and not 0 < limit <= core.MOST_LIMIT:
        raise BadInput("A threshold is above 0.")
    with writing():
        owner, row = owner_and_profile(company, profile)
        lock("id = ?", owner.id)
        if Threshold.select().where(Threshold.company == owner.id).count() >= MOST_THRESHOLDS:
            raise BadInput("A company has {most_thresholds} thresholds at the most.", most_thresholds=MOST_THRESHOLDS)
        made = Threshold.create(company=owner, profile=row, kind=kind, value=limit if of.unit else 0, created_at=now)
        return _view(made)


@audited("threshold.remove")
def remove(threshold: int) -> ThresholdView:
    """Tell of it no more. NotFound."""
    with writing():
        lock("id = (SELECT company_id FROM threshold WHERE id = ?)", threshold)
        view = _view(_row(threshold))
        run("DELETE FROM threshold WHERE id = ?", threshold)
        return view


def passed(seen: Sequence[ReachView], now: int) -> list[Passed]:
    """All that are passed now, in the caller's transaction. `seen`: how each endpoint is on each node."""
    down = _down(seen, now)
    found = []
    for row in _alive():
        day = times.local_day(now, row.company.time_zone)
        name = row.company.name if row.profile is None else row.profile.name
        if row.kind == "unregistered":
            lost_at = down.get(row.profile.username)
            if lost_at is not None:
                text = kept.PBX_LOST.write(name=name, since=times.iso(lost_at))
                found.append(Passed(row.id, row.company_id, row.profile_id, row.kind, str(lost_at), text))
            continue
        is_now = _now(row, day)
        of = THRESHOLDS[row.kind]
        if is_now < row.value if of.below else is_now >= row.value:
            currency = row.company.currency
            have, limit = (shown(each, currency) if of.unit == "money" else str(each) for each in (is_now, row.value))
            text = kept.THRESHOLD.write(name=name, what=of.words, limit=limit, have=have)
            since = day[:7] if row.kind == "spend_month" else day
            found.append(Passed(row.id, row.company_id, row.profile_id, row.kind, since, text))
    return found


def _alive() -> Any:
    """The thresholds of companies, and of profiles that were not deleted."""
    of_one = Profile.id == Threshold.profile
    found = (
        Threshold.select(Threshold, Company).join(Company).switch(Threshold).join(Profile, JOIN.LEFT_OUTER, on=of_one)
    )
    return found.where(Threshold.profile.is_null() | (Profile.status != "archived"))


def _now(row: Any, day: str) -> int:
    """What a threshold's figure is now."""
    profile = row.profile_id or 0
    if row.kind == "balance":
        return _balance(company_account(row.company_id, "balance"))
    if row.kind == "credit":
        return _balance(profile_account(profile, "credit"))
    if row.kind == "channels":
        sql = "SELECT COUNT(*) FROM call WHERE dead_at IS NULL AND profile_id"
        if profile:
            return int(rows(f"{sql} = ?", profile)[0][0])
        return int(rows(f"{sql} IN (SELECT id FROM profile WHERE company_id = ?)", row.company_id)[0][0])
    column = "refused" if row.kind == "refusals" else "price_micros"
    first = f"{day[:7]}-01" if row.kind == "spend_month" else day
    sql = f"SELECT SUM({column}) FROM call_day WHERE company_id = ? AND profile_id = ? AND day BETWEEN ? AND ?"
    return int(rows(sql, row.company_id, profile, first, day)[0][0] or 0)


def _balance(account: str) -> int:
    found = rows("SELECT balance FROM account WHERE name = ?", account)
    return int(found[0][0]) if found else 0


def _down(seen: Sequence[ReachView], now: int) -> dict[str, int]:
    """The endpoints that are down on every node where they are known, and were for a while: since when."""
    up = {view.endpoint for view in seen if view.state == "up"}
    return {
        view.endpoint: view.at
        for view in seen
        if view.state == "down" and view.endpoint not in up and now - view.at >= DOWN_MS
    }


def _row(threshold: int) -> Any:
    found = Threshold.get_or_none(Threshold.id == threshold)
    if found is None:
        raise NotFound("The threshold {threshold} was not found.", threshold=threshold)
    return found


def _view(row: Any) -> ThresholdView:
    return ThresholdView(
        row.id, row.company.name, row.profile and row.profile.name, row.company.currency, row.kind, row.value
    )
