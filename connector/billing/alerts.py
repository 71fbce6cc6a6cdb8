"""Looks for what people should be told of and is no event: low money, trunks that are down, channels that were full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from connector.billing import calls, credit, plans, recharges, thresholds
from connector.core import kept, times
from connector.core.access import EVERYTHING
from connector.core.alerts import BUDGET_NEAR, DOWN_MS, LASTS_MS, RENEWS_WITHIN_MS, THRESHOLDS
from connector.core.formats import shown
from connector.core.holds import lasts_ms
from connector.core.trunks import trunk_of
from connector.database.models import Company
from connector.database.store import lock, reading, rows, writing
from connector.notices import notices
from connector.routing.reachability import ReachView, latest

_LOW = (
    "SELECT profile.id, profile.name, profile.username, company.id, company.currency, company.time_zone,"
    " COALESCE(account.balance, 0), COALESCE(held.balance, 0) FROM profile"
    " JOIN company ON company.id = profile.company_id"
    " LEFT JOIN account ON account.name = 'profile:' || profile.id || ':credit'"
    " LEFT JOIN account AS held ON held.name = 'profile:' || profile.id || ':credit_held'"
    " LEFT JOIN recharge ON recharge.profile_id = profile.id"
    " WHERE profile.status IN ('active', 'cancelling') AND profile.state = 'open' AND recharge.profile_id IS NULL"
)
_FULL = (
    "SELECT profile.id, profile.name, profile.channels, call_day.blocked FROM call_day"
    " JOIN profile ON profile.id = call_day.profile_id"
    " WHERE call_day.company_id = ? AND call_day.day = ? AND call_day.blocked > 0"
)
_BUDGETS = (
    "SELECT profile.id, profile.name, limits.day_micros, limits.month_micros,"
    " SUM(CASE WHEN call_day.day = ? THEN call_day.price_micros ELSE 0 END), SUM(call_day.price_micros) FROM call_day"
    " JOIN limits ON limits.profile_id = call_day.profile_id JOIN profile ON profile.id = call_day.profile_id"
    " WHERE call_day.company_id = ? AND call_day.day BETWEEN ? AND ? AND profile.status <> 'archived'"
    " AND (limits.day_micros > 0 OR limits.month_micros > 0)"
    " GROUP BY profile.id, profile.name, limits.day_micros, limits.month_micros ORDER BY profile.id"
)
_TRUNKS = "SELECT name, company_id, profile_id FROM trunk WHERE state <> 'archived'"
_BROKE = "SELECT 1 FROM cdr WHERE profile_id = ? AND ended_at > ? AND refusal = 'no_credit' LIMIT 1"
_BEFORE = (
    "SELECT state, at FROM reachability WHERE endpoint = ? AND node = ? AND at < ? ORDER BY at DESC, id DESC LIMIT 1"
)


@dataclass(frozen=True)
class Alert:
    """Something to be told: once, by its `key`."""

    company: int
    profile: int | None
    kind: str
    key: str
    text: str


def look(now: int) -> list[Alert]:
    """Everything that there is to tell now and was not told before."""
    with reading():
        seen = latest()
        found = [*_trunks(seen, now), *_credits(now), *_thresholds(seen, now), *_recharges(now)]
        due = plans.due_before(now + RENEWS_WITHIN_MS)
        for company in Company.select():
            found += [*_renewals(company, *due.get(company.id, (0, 0)), now), *_full(company, now)]
            found += _budgets(company, now)
        return [alert for alert in found if not rows("SELECT 1 FROM notice WHERE key = ?", alert.key)]


def tell(found: Alert, now: int) -> bool:
    """Tell it, unless it was told before."""
    with writing():
        lock("id = ?", found.company)
        return notices.tell(found.company, found.profile, found.kind, found.key, found.text, now)


def _renewals(company: Company, due: int, last: int, now: int) -> list[Alert]:
    """The balance cannot pay what renews soon: so much, the last of it then."""
    have = credit.balance(company.name).available_micros
    if due <= have:
        return []
    day = times.local_day(now, company.time_zone)
    due_shown, have_shown = shown(due, company.currency), shown(have, company.currency)
    text = kept.BALANCE_LOW.write(due=due_shown, until=times.iso(last), have=have_shown)
    return [Alert(company.id, None, "balance_low", f"balance_low:{company.id}:{day}", text)]


def _credits(now: int) -> list[Alert]:
    """A profile that is not recharged can call nobody, or will not soon."""
    live = calls.now_of(EVERYTHING, now)
    found = []
    for profile, name, username, company, currency, zone, have, held in rows(_LOW):
        spent, burn = live.credit_spent_micros.get(username, 0), live.credit_burn_micros.get(username, 0)
        left_ms = lasts_ms(have, held, spent, burn)
        if left_ms is not None and left_ms <= LASTS_MS:
            rest = kept.LASTS.write(minutes=left_ms // 60_000)
        elif not have and rows(_BROKE, profile, now - LASTS_MS):
            rest = kept.USED_UP.write()
        else:
            continue  # who calls nobody, or has bundles, needs none
        text = kept.CREDIT_LOW.write(name=name, have=shown(have, currency), rest=rest)
        day = times.local_day(now, zone)
        found.append(Alert(company, profile, "credit_low", f"credit_low:{profile}:{day}", text))
    return found


def _budgets(company: Company, now: int) -> list[Alert]:
    """Profiles that have spent most of what they may spend in a day or a month; and again when all of it is spent."""
    day = times.local_day(now, company.time_zone)
    month = day[:7]
    found = []
    for profile, name, of_day, of_month, today, this_month in rows(_BUDGETS, day, company.id, f"{month}-01", day):
        for most, sum_, of, since in (
            (of_day, today, kept.OF_DAY, day),
            (of_month, this_month, kept.OF_MONTH, month),
        ):
            spent = int(sum_)
            if not most or spent * 100 < most * BUDGET_NEAR:
                continue
            rest = kept.SPENT if spent >= most else kept.NEARLY_SPENT
            have, limit = shown(spent, company.currency), shown(most, company.currency)
            key = f"budget:{profile}:{since}:{spent >= most}"
            text = kept.BUDGET.write(name=name, have=have, limit=limit, of=of.write(), rest=rest.write())
            found.append(Alert(company.id, profile, "budget", key, text))
    return found


def _thresholds(seen: Sequence[ReachView], now: int) -> list[Alert]:
    """The thresholds of companies that are passed: once a day, or for each time that a PBX is lost."""
    return [
        Alert(
            each.company, each.profile, THRESHOLDS[each.kind].notice,
            f"threshold:{each.threshold}:{each.since}", each.text,
        )
        for each in thresholds.passed(seen, now)
    ]  # fmt: skip


def _recharges(now: int) -> list[Alert]:
    """Recharges by card that cannot be made."""
    return [Alert(each.company, None, recharges.FAILED, each.key, each.text) for each in recharges.alarms(now)]


def _full(company: Company, now: int) -> list[Alert]:
    """Calls of today found all channels in use."""
    day = times.local_day(now, company.time_zone)
    return [
        Alert(company.id, profile, "channels_full", f"channels_full:{profile}:{day}",
              kept.CHANNELS_FULL.write(channels=channels, name=name, blocked=blocked))
        for profile, name, channels, blocked in rows(_FULL, company.id, day)
    ]  # fmt: skip


def _trunks(seen: Sequence[ReachView], now: int) -> list[Alert]:
    """Trunks that have been down for a while, and those that are back after it."""
    owners = {name: (company, profile) for name, company, profile in rows(_TRUNKS)}
    found = []
    for view in seen:
        name = trunk_of(view.endpoint)
        if name not in owners:
            continue
        company, profile = owners[name]
        where = f"{view.endpoint}:{view.node}:{view.at}"
        if view.state == "down" and now - view.at >= DOWN_MS:
            why = view.words or kept.NO_ANSWER.write()
            text = kept.TRUNK_DOWN.write(name=name, node=view.node, why=why)
            found.append(Alert(company, profile, "trunk_down", f"trunk_down:{where}", text))
        elif view.state == "up":
            before = rows(_BEFORE, view.endpoint, view.node, view.at)
            if before and before[0][0] == "down" and view.at - before[0][1] >= DOWN_MS:
                text = kept.TRUNK_UP.write(name=name, node=view.node)
                found.append(Alert(company, profile, "trunk_up", f"trunk_up:{where}", text))
    return found
