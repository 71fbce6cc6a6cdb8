"""Subscriptions in the store: buying, changing, cancelling and renewing channels, bundles and numbers.

What is bought runs in terms (`term`); a term and its payment are one transaction, and so are its end and the next one's
beginning. The company's balance pays; nothing goes below zero.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from connector.billing import ledger, payments
from connector.core import kept, steps, times
from connector.core import plans as core
from connector.core.access import Scope
from connector.core.formats import counted, shown
from connector.core.ledger import Posting, company_account, moved, profile_account, term_account
from connector.database import audit
from connector.database.audit import audited
from connector.database.models import (
    Company,
    Limits,
    Number,
    PrefixRule,
    PriceList,
    Profile,
    Recharge,
    ServiceNumber,
    Term,
)
from connector.database.named import company_row, open_profile_row, profile_row
from connector.database.store import lock, reading, rows, run, trying, writing
from connector.errors import BadInput, NotFound
from connector.notices import notices
from connector.routing import routes


@dataclass(frozen=True)
class Subscription:
    """What a profile has bought. Money in micros; `ends_at` is when it renews, or ends if it does not renew.

    `refund_micros` and `charged_micros` are what the step just taken (or only asked for) moved.
    """

    profile: str
    currency: str
    status: str
    channels: int
    bundles: int
    bundle_seconds_left: int
    starts_at: int | None
    ends_at: int | None
    renews: bool
    term_price_micros: int
    refund_micros: int = 0
    charged_micros: int = 0


@dataclass(frozen=True)
class Prices:
    """What a term of one channel and of one bundle costs a company, in micros."""

    company: str
    currency: str
    channel_micros: int
    bundle_micros: int


@dataclass(frozen=True)
class Renewal:
    """Something that runs until `ends_at`: a profile's channels and bundles, or a number; what renewing it costs."""

    name: str
    channels: int
    bundles: int
    ends_at: int
    renews: bool
    price_micros: int


@dataclass(frozen=True)
class Deleted:
    """What the deletion of a profile gave back: credit in micros, and numbers to the company's pool.

    `lost_micros`: the unused share of what was paid for its running term, which nobody gets back.
    """

    profile: str
    currency: str
    credit_micros: int
    numbers: list[str]
    lost_micros: int = 0


@audited("channels.buy")
def buy(profile: str, channels: int, bundles: int, now: int, *, dry_run: bool = False) -> Subscription:
    """The first subscription of a profile, or one after the last has ended. BadInput, or InsufficientFunds.

    With `dry_run` nothing is bought, and what would be is told.
    """
    with trying() if dry_run else writing():
        row = open_profile_row(profile)
        if _running(row) is not None:
            raise BadInput(
                "{name} has a subscription already.", name=row.name, step=steps.change_channels(row.username)
            )
        charged = begin(row, channels, bundles, now)
        return _subscription(row, charged=charged)


@audited("channels.change")
def change(profile: str, channels: int | None, bundles: int | None, now: int, *, dry_run: bool = False) -> Subscription:
    """End the running term, give its unused share back, and begin a new one now; once a calendar day (BRIEF, M7).

    None leaves the number as it is. With `dry_run` nothing is changed, and what would move is told. BadInput, or
    InsufficientFunds.
    """
    with trying() if dry_run else writing():
        row = open_profile_row(profile)
        term = _running(row)
        if term is None:
            raise BadInput("{name} has no subscription.", name=row.name, step=steps.buy_channels(row.username))
        company = Company.get_by_id(row.company_id)
        wanted = core.channels_sold(term.channels if channels is None else channels)
        wanted_bundles = core.bundles_sold(term.bundles if bundles is None else bundles, wanted)
        if (wanted, wanted_bundles) == (term.channels, term.bundles) and term.renews:
            raise BadInput(
                "{name} has {wanted} channels and {wanted_bundles} bundles already",
                name=row.name,
                wanted=wanted,
                wanted_bundles=wanted_bundles,
            )
        _once_a_day(row, company, now)
        refund = _refund(term, company, now)
        _close(term, now)
        # In grace the days since its end were not paid: the new term begins there (rule 3: no drift).
        charged = begin(row, wanted, wanted_bundles, now, start=min(now, term.ends_at))
        payments.collect(row.company_id, f"term:{term.id}:refund", now)  # what the new term left of it
        return _subscription(row, refund=refund, charged=charged)


def quote(profile: str, channels: int | None, bundles: int | None, now: int) -> Subscription:
    """What buying or changing would cost and give back, and until when it would run; nothing is changed. BadInput."""
    with trying():
        if _running(open_profile_row(profile)) is None:
            return buy(profile, channels or 0, bundles or 0, now, dry_run=True)
        return change(profile, channels, bundles, now, dry_run=True)


@audited("channels.cancel")
def cancel(profile: str, now: int) -> Subscription:
    """Do not renew: the subscription runs to the end of its term, which was paid. BadInput if there is none."""
    with writing():
        row = open_profile_row(profile)
        term = _running(row)
        if term is None or not term.renews:
            raise BadInput("{name} has no subscription that renews", name=row.name)
        if term.ends_at <= now:  # in grace: there is nothing left that was paid
            _end(term, row, now)
            return _subscription(row)
        term.renews = False
        term.save()
        if row.status == "active":
            Profile.update(status="cancelling").where(Profile.id == row.id).execute()
        return _subscription(row)


@audited("channels.keep")
def keep(profile: str, now: int) -> Subscription:
    """Take a cancellation back: the subscription renews again. BadInput if there is none that was cancelled."""
    with writing():
        row = open_profile_row(profile)
        term = _running(row)
        if term is None or term.renews or term.ends_at <= now:
            raise BadInput("{name} has no subscription that was cancelled", name=row.name)
        term.renews = True
        term.save()
        if row.status == "cancelling":
            Profile.update(status="active").where(Profile.id == row.id).execute()
            row.status = "active"
        return _subscription(row)


def renewals(scope: Scope, limit: int) -> list[Renewal]:
    """What runs for somebody, the soonest to end first."""
    with reading():
        found = Term.select().where(Term.closed_at.is_null()).order_by(Term.ends_at, Term.id).limit(limit)
        if scope.company is not None:
            found = found.where(Term.company == scope.company)
        if scope.profile is not None:
            mine = Number.select(Number.id).where(Number.profile == scope.profile)
            found = found.where((Term.profile == scope.profile) | Term.number.in_(mine))
        return [
            Renewal(
                cast("Any", term).profile.name if term.profile_id else cast("Any", term).number.e164,
                term.channels,
                term.bundles,
                term.ends_at,
                term.renews,
                _next_price(term, term.company),
            )
            for term in found
        ]


def due_before(at: int) -> dict[int, tuple[int, int]]:
    """What each company has to pay for what renews before an instant, and when the last of it does."""
    sql = (
        "SELECT term.company_id, SUM(CASE WHEN term.profile_id IS NULL THEN term.price_micros"
        " ELSE term.channels * COALESCE(price_list.channel_micros, ?)"
        " + term.bundles * COALESCE(price_list.bundle_micros, ?) END), MAX(term.ends_at)"
        " FROM term LEFT JOIN price_list ON price_list.company_id = term.company_id"
        " WHERE term.closed_at IS NULL AND term.renews AND term.ends_at < ? GROUP BY term.company_id"
    )
    with reading():
        found = rows(sql, core.USUAL_CHANNEL_MICROS, core.USUAL_BUNDLE_MICROS, at)
        return {company: (int(due), last) for company, due, last in found}


def show(profile: str) -> Subscription:
    """What a profile has bought."""
    with reading():
        return _subscription(profile_row(profile))


def prices(company: str | None = None) -> Prices:
    """What a company pays for a term."""
    with reading():
        return _prices(company_row(company))


@audited("prices.set")
def set_prices(channel: int | None, bundle: int | None, company: str | None = None) -> Prices:
    """What a company pays for terms that begin from now on, in micros; None leaves the price as it is."""
    with writing():
        row = company_row(company)
        before = _prices(row)
        PriceList.delete().where(PriceList.company == row).execute()
        PriceList.create(
            company=row,
            channel_micros=before.channel_micros if channel is None else channel,
            bundle_micros=before.bundle_micros if bundle is None else bundle,
        )
        return _prices(row)


def checked_periods(periods: int) -> int:
    """For how many terms at once a number can be bought. BadInput if it is none of 1, 3, 12."""
    if periods not in (1, 3, 12):
        raise BadInput("a number is bought for 1, 3 or 12 terms of 30 days")
    return periods


def release_number(number: Any, now: int, at_once: bool) -> bool:
    """Let a number go when what is paid of it is over, in the caller's transaction; whether that is now."""
    term = Term.get_or_none((Term.number == number) & Term.closed_at.is_null())
    if term is not None and not at_once and term.ends_at > now:
        Term.update(renews=False).where(Term.id == term.id).execute()
        return False
    if term is not None:
        _close(term, now)
    _let_go(number, now)
    return True


def _let_go(number: Any, at: int) -> None:
    """It is the company's no longer, and nobody's main number."""
    Number.update(profile=None, released_at=at).where(Number.id == number.id).execute()
    sql = "UPDATE profile SET caller_number = NULL WHERE company_id = ? AND caller_number = ?"
    run(sql, number.company_id, number.e164)


def keep_number(number: Any) -> bool:
    """Have a number renew again, in the caller's transaction; False if no term of it runs."""
    renewed = Term.update(renews=True).where((Term.number == number) & Term.closed_at.is_null()).execute()
    return bool(renewed)


@audited("profile.delete")
def delete_profile(profile: str, now: int, to: Mapping[str, str] | None = None) -> Deleted:
    """Archive a profile: free credit goes back to its company, numbers to the pool; its CDRs stay. `to`: numbers and
    accounts of it that go to another profile instead, by its username. BadInput, NotFound.

    Calls that are up go on to their end; what they hold and do not use goes to the company too. What was paid for the
    running term is not given back (docs/decisions/0008).
    """
    with writing():
        row = open_profile_row(profile)
        company = Company.get_by_id(row.company_id)
        term = _running(row)
        lost = 0
        if term is not None:
            lost = sum(_unused(term, company, now))
            _close(term, now)
        credit, target = profile_account(row.id, "credit"), company_account(row.company_id, "balance")
        left = ledger.balances([credit])[credit]
        about = kept.DELETED.write(name=row.name)
        ledger.post(row.company_id, f"profile:{row.id}:delete", "delete", now, moved(left, credit, target), about)
        payments.collect(row.company_id, f"profile:{row.id}:delete", now)
        with routes.no_worse(row.company_id):
            _moved(row, to or {})
            numbers = [number.e164 for number in Number.select().where(Number.profile == row).order_by(Number.e164)]
            for called in ("number", "inbound_account"):
                run(f"UPDATE {called} SET profile_id = NULL WHERE profile_id = ?", row.id)
        for table in (Recharge, Limits, PrefixRule, ServiceNumber):
            cast("Any", table).delete().where(cast("Any", table).profile == row).execute()
        run("UPDATE trunk SET state = 'archived', secret = NULL WHERE profile_id = ?", row.id)
        run("UPDATE profile SET digest = '', old_digest = NULL WHERE id = ?", row.id)
        day = times.local_day(now, row.company.time_zone)
        # The name is free for another profile.
        Profile.update(status="archived", channels=0, name=f"{row.name} (deleted {day}, {row.id})").where(
            Profile.id == row.id
        ).execute()
        return Deleted(row.name, company.currency, left, numbers, lost)


def _moved(profile: Any, to: Mapping[str, str]) -> None:
    """Numbers and accounts of a profile go to other ones of its company. BadInput, NotFound."""
    for called, username in to.items():
        target = open_profile_row(username)
        table, column = ("number", "e164") if called.startswith("+") else ("inbound_account", "name")
        sql = f"UPDATE {table} SET profile_id = ? WHERE {column} = ? AND profile_id = ? RETURNING id"
        if target.id == profile.id or target.company_id != profile.company_id:
            raise NotFound("there is no profile {name!r}", name=username)
        if not rows(sql, target.id, called, profile.id):
            raise NotFound("{called} is not at {name}", called=called, name=profile.name)
        audit.note(f"{'number' if called.startswith('+') else 'account'}.attach", called, f"to {target.name}")


def renew_due(now: int) -> int:
    """Renew, remind or end every term whose end has come, one transaction each; how many things were done."""
    return sum(renew(term, now) for term in due(now))


def due(now: int) -> list[int]:
    """The terms whose end has come, the oldest first; those in grace stay among them."""
    with reading():
        found = rows("SELECT id FROM term WHERE closed_at IS NULL AND ends_at <= ? ORDER BY ends_at, id", now)
        return [term for (term,) in found]


def next_due(now: int) -> int | None:
    """When there is next something to renew, remind of or end, after `now`; None if nothing runs."""
    with reading():
        ends = rows("SELECT ends_at FROM term WHERE closed_at IS NULL")
    # One that is over and not renewed is in grace: there is a notice for each day of it.
    instants = [end if end > now else end + ((now - end) // core.DAY_MS + 1) * core.DAY_MS for (end,) in ends]
    return min(instants, default=None)


def begin(profile: Any, channels: int, bundles: int, now: int, start: int | None = None) -> int:
    """Begin a term of channels and bundles and pay it, in the caller's transaction; what was paid, in micros."""
    sold = core.channels_sold(channels)
    term = _begin(profile, sold, core.bundles_sold(bundles, sold), now if start is None else start, now)
    status = "active" if profile.status in ("inactive", "cancelling") else profile.status
    Profile.update(channels=sold, status=status).where(Profile.id == profile.id).execute()
    return int(term.price_micros + term.bundles_price_micros)


def _begin(profile: Any, channels: int, bundles: int, start: int, now: int) -> Any:
    company = Company.get_by_id(profile.company_id)
    price = _prices(company)
    term = Term.create(
        company=company,
        profile=profile,
        channels=channels,
        bundles=bundles,
        price_micros=price.channel_micros * channels,
        bundles_price_micros=price.bundle_micros * bundles,
        periods=1,
        starts_at=start,
        ends_at=core.term_end(start),
        renews=True,
    )
    balance = company_account(company.id, "balance")
    postings = [
        *moved(term.price_micros, balance, company_account(company.id, "subscription")),
        *moved(term.bundles_price_micros, balance, company_account(company.id, "bundles")),
        *moved(
            bundles * core.BUNDLE_SECONDS, company_account(company.id, "seconds_sold"), term_account(term.id, "bundle")
        ),
    ]
    bought = counted(channels, "channel") + (f" and {counted(bundles, 'bundle')}" if bundles else "")
    about = kept.TERM.write(bought=bought, name=profile.name, until=times.iso(term.ends_at))
    ledger.post(company.id, f"term:{term.id}:begin", "subscription", now, postings, about)
    return term


def begin_number(number: Any, price: int, periods: int, start: int, now: int) -> Any:
    """Begin so many terms of a number and pay them, in the caller's transaction; the term."""
    term = Term.create(
        company=number.company_id,
        number=number,
        channels=0,
        bundles=0,
        price_micros=price,
        bundles_price_micros=0,
        periods=periods,
        starts_at=start,
        ends_at=core.term_end(start, periods),
        renews=True,
    )
    company = number.company_id
    postings = moved(price, company_account(company, "balance"), company_account(company, "number_fees"))
    about = kept.NUMBER_TERM.write(number=number.e164, until=times.iso(term.ends_at))
    ledger.post(company, f"term:{term.id}:begin", "number fee", now, postings, about)
    return term


def renew(term_id: int, now: int) -> int:
    """Everything that is due of one term and those that follow it; how many things were done."""
    done = 0
    while True:
        with writing():
            lock("id = (SELECT company_id FROM term WHERE id = ?)", term_id)
            term = Term.get_by_id(term_id)
            if term.closed_at is not None or term.ends_at > now:
                return done
            following, news = _renew_once(term, now)
            done += news
        if following is None:
            return done
        term_id = following


def _renew_once(term: Any, now: int) -> tuple[int | None, bool]:
    """Renew a term that is over, or remind, or end it; the term that follows, if one does, and whether it is news."""
    subject: Any = Profile.get_by_id(term.profile_id) if term.profile_id else Number.get_by_id(term.number_id)
    if not term.renews:
        _end(term, subject, term.ends_at)
        return None, True
    company = Company.get_by_id(term.company_id)
    price = _next_price(term, company)
    balance = company_account(company.id, "balance")
    have = ledger.balances([balance])[balance]
    if have >= price:
        _close(term, term.ends_at)
        if term.profile_id:
            return int(_begin(subject, term.channels, term.bundles, term.ends_at, now).id), True
        return int(begin_number(subject, term.price_micros, term.periods, term.ends_at, now).id), True
    _expire_seconds(term, now)
    name = subject.name if term.profile_id else subject.e164
    what = {
        "name": name,
        "price": shown(price, company.currency),
        "since": times.iso(term.ends_at),
        "have": shown(have, company.currency),
    }
    ended = kept.INACTIVE if term.profile_id else kept.GIVEN_BACK
    if now >= term.ends_at + core.GRACE_MS:
        _end(term, subject, term.ends_at + core.GRACE_MS)
        notices.tell(
            company.id,
            term.profile_id,
            "ended",
            f"ended:{term.id}",
            kept.NOT_RENEWED.write(**what, rest=ended.write()),
            now,
        )
        return None, True
    day = (now - term.ends_at) // core.DAY_MS
    rest = kept.GRACE.write(until=times.iso(term.ends_at + core.GRACE_MS))
    told = kept.NOT_RENEWED.write(**what, rest=rest)
    return None, notices.tell(company.id, term.profile_id, "grace", f"grace:{term.id}:{day}", told, now)


def _next_price(term: Any, company: Any) -> int:
    if not term.profile_id:
        return int(term.price_micros)
    price = _prices(company)
    return price.channel_micros * int(term.channels) + price.bundle_micros * int(term.bundles)


def _end(term: Any, subject: Any, at: int) -> None:
    """The last term is over: the profile is inactive, or the number is for sale again."""
    _close(term, at)
    if term.profile_id:
        status = "suspended" if subject.status == "suspended" else "inactive"
        Profile.update(channels=0, status=status).where(Profile.id == subject.id).execute()
    else:
        _let_go(subject, at)


def _close(term: Any, at: int) -> None:
    _expire_seconds(term, at)
    term.closed_at = at
    term.save()


def _expire_seconds(term: Any, at: int) -> None:
    """What is left of its bundles goes, now and if a call that ended late gave some back; what calls hold stays."""
    if not term.bundles:
        return
    bundle = term_account(term.id, "bundle")
    left = ledger.balances([bundle])[bundle]
    target = company_account(term.company_id, "seconds_expired")
    about = kept.EXPIRED.write()
    key = next(key for key in (f"term:{term.id}:expire:{n}" for n in itertools.count(1)) if not ledger.entered(key))
    ledger.post(term.company_id, key, "expire", at, moved(left, bundle, target), about)


def _refund(term: Any, company: Any, now: int) -> int:
    """Give the unused share of a running term back; how much it was."""
    for_channels, for_bundles = _unused(term, company, now)
    balance = company_account(company.id, "balance")
    postings: list[Posting] = [
        *moved(for_channels, company_account(company.id, "subscription"), balance),
        *moved(for_bundles, company_account(company.id, "bundles"), balance),
    ]
    about = kept.UNUSED.write(since=times.iso(term.starts_at), until=times.iso(term.ends_at))
    ledger.post(company.id, f"term:{term.id}:refund", "refund", now, postings, about)
    return for_channels + for_bundles


def _unused(term: Any, company: Any, now: int) -> tuple[int, int]:
    """The unused shares of what was paid for a running term: for its channels, and for its bundles."""
    bundle = term_account(term.id, "bundle")
    sold_s = term.bundles * core.BUNDLE_SECONDS
    used_s = sold_s - ledger.balances([bundle])[bundle]
    elapsed, length = now - term.starts_at, term.ends_at - term.starts_at
    for_channels = core.refund(term.price_micros, elapsed, length, company.currency)
    return for_channels, core.refund(
        term.bundles_price_micros, elapsed, length, company.currency, used_s=used_s, sold_s=sold_s
    )


def _once_a_day(profile: Any, company: Any, now: int) -> None:
    """A change closes a term at another time than its end or its grace's end (BRIEF, rule 2)."""
    closed = (
        Term.select(Term.closed_at)
        .where(
            (Term.profile == profile)
            & (Term.closed_at.is_null(False))
            & (Term.closed_at != Term.ends_at)
            & (Term.closed_at < Term.ends_at + core.GRACE_MS)
        )
        .tuples()
    )
    today = times.local_day(now, company.time_zone)
    if any(times.local_day(at, company.time_zone) == today for (at,) in cast("Iterable[tuple[int]]", closed)):
        raise BadInput(
            "The subscription of {name} was already changed today ({today}, {time_zone}). It"
            " can be changed once a day.",
            name=profile.name,
            today=today,
            time_zone=company.time_zone,
        )


def _running(profile: Any) -> Any:
    return Term.get_or_none((Term.profile == profile) & Term.closed_at.is_null())


def _prices(company: Any) -> Prices:
    row = PriceList.get_or_none(PriceList.company == company)
    return Prices(
        company.name,
        company.currency,
        row.channel_micros if row else core.USUAL_CHANNEL_MICROS,
        row.bundle_micros if row else core.USUAL_BUNDLE_MICROS,
    )


def _subscription(profile: Any, *, refund: int = 0, charged: int = 0) -> Subscription:
    row = Profile.get_by_id(profile.id)
    term = _running(row)
    company = Company.get_by_id(row.company_id)
    bundle = term_account(term.id, "bundle") if term else ""
    return Subscription(
        profile=row.name,
        currency=company.currency,
        status=row.status,
        channels=row.channels,
        bundles=term.bundles if term else 0,
        bundle_seconds_left=ledger.balances([bundle])[bundle] if term else 0,
        starts_at=term.starts_at if term else None,
        ends_at=term.ends_at if term else None,
        renews=bool(term and term.renews),
        term_price_micros=term.price_micros + term.bundles_price_micros if term else 0,
        refund_micros=refund,
        charged_micros=charged,
    )
