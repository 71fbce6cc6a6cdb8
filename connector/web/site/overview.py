"""The first page of a company: what it has, what renews when, what needs a look."""

from __future__ import annotations

from dataclasses import dataclass

from connector.billing import calls, credit, history, plans, profiles, recharges, today
from connector.billing.credit import Balance
from connector.billing.history import Wanted
from connector.billing.profiles import ProfileView
from connector.billing.today import Hour, Refused, Today
from connector.core import kept, refusals
from connector.core.access import HOUSE, Scope
from connector.core.alerts import RENEWS_WITHIN_MS
from connector.core.formats import shown
from connector.core.paging import Turn
from connector.core.refusals import Refusal
from connector.core.trunks import trunk_of
from connector.notices import notices
from connector.routing import reachability
from connector.web import charts
from connector.web.charts import Bar
from connector.web.endpoint import Ask
from connector.web.render import when
from connector.web.site import cures
from connector.web.site.frame import Line, Shown, SitePages
from connector.words import tr, tr_n

pages = SitePages()

MOST_PROFILES = 50
MOST_RENEWALS = 10
MOST_NOTICES = 5
MOST_CALLS = 10
# Longer than this, nobody plans by days.
LONG_DAYS = 365


@dataclass(frozen=True)
class Step:
    """A step on the way to the first call. `link`: the page on which it is done, "" if it cannot be opened now.
    `by_operator`: the company's own people cannot do it.
    """

    words: str
    link: str
    done: bool
    by_operator: bool = False


@dataclass(frozen=True)
class RefusedLine:
    """Calls that were refused for one reason, where they are listed, and the page that cures it."""

    calls: Refused
    why: Refusal
    listed: str
    link: Line | None


@pages.get("/", None)
def overview(ask: Ask) -> Shown:
    """The company at a glance."""
    whole = ask.scope.profile is None and "money.read" in ask.actor.permissions
    found = profiles.page_of(ask.scope, Turn(None, MOST_PROFILES))
    renewals = plans.renewals(ask.scope, MOST_RENEWALS)
    balance = credit.balance(ask.company) if whole else None
    credits = credit.available(ask.scope)
    day = today.of(ask.scope, ask.now)
    return Shown(
        "overview.html",
        {
            "balance": balance,
            "lasts": _lasts(ask, balance, credits),
            "live": calls.now_of(ask.scope, ask.now),
            "today": day,
            "sees_money": "money.read" in ask.actor.permissions,
            "chart": _chart(day, ask.zone),
            "most": _most(day.most, ask.zone),
            "refused": _refused(ask, day),
            "steps": _steps(ask, found.items) if whole else [],
            "renewals": renewals,
            "alarms": _alarms(ask, balance, found.items, credits),
            "profiles": found.items,
            "more": found.next is not None,
            "credits": credits,
            "notices": notices.page_of(ask.scope, Turn(None, MOST_NOTICES)).items,
            "cdrs": history.cdr_page(ask.scope, Turn(None, MOST_CALLS), Wanted()).items,
        },
    )


def _lasts(ask: Ask, balance: Balance | None, credits: dict[str, int]) -> str:
    """How long the balance and the credit of all profiles will last; "" if nothing is being spent."""
    if balance is None:
        return ""
    days = today.lasts_days(ask.scope.company or 0, balance.available_micros + sum(credits.values()), ask.now)
    if days is None:
        return ""
    if days == 0:
        return tr("Not enough for one more day, credit of profiles included")
    length = tr("more than a year") if days > LONG_DAYS else tr_n("about {count} day", "about {count} days", days)
    return tr("Enough for {length}, credit of profiles included", length=length)


def _chart(day: Today, zone: str) -> str:
    """The channels in use, hour by hour, below the limit; "" if there was no call."""
    bars = [
        Bar(
            when(hour.at, zone, "clock"),
            [("out", hour.in_use)],
            tr_n(
                "{at}: at most {used} of {count} channel in use",
                "{at}: at most {used} of {count} channels in use",
                day.channels,
                at=when(hour.at, zone, "clock"),
                used=hour.in_use,
            ),
            day.channels,
        )
        for hour in day.hours
    ]
    return charts.bars(tr("Channels in use today, by hour"), bars) if day.most else ""


def _most(hour: Hour | None, zone: str) -> str:
    if hour is None:
        return tr("No channel was in use today")
    return tr("At most {in_use} today, from {at}", in_use=hour.in_use, at=when(hour.at, zone, "clock"))


def _refused(ask: Ask, day: Today) -> list[RefusedLine]:
    return [
        RefusedLine(
            each,
            refusals.BY_CODE[each.code],
            f"/history?refusal={each.code}&since={day.month}-01" + f"&profile={each.username}" * bool(each.username),
            cures.link(ask, each.code, each.username),
        )
        for each in day.refusals
        if each.code in refusals.BY_CODE
    ]


def _steps(ask: Ask, shown_profiles: list[ProfileView]) -> list[Step]:
    """What is left to do before the first call, and what is done; none after it."""
    company = ask.scope.company or 0
    first = next((each.username for each in shown_profiles), "")
    done = today.begun(company, first, ask.now)
    if done.called:
        return []
    costs_nothing = not plans.prices(ask.company).channel_micros and today.calls_are_free(company, ask.now)

    def step(words: str, path: str, permission: str, is_done: bool) -> Step:
        """A step; without its link if it is done, if the visitor has no permission, or before there is a profile."""
        linked = not is_done and permission in ask.actor.permissions and (first or "{profile}" not in path)
        by_operator = permission in HOUSE and permission not in ask.actor.permissions
        return Step(words, path.format(profile=f"/profiles/{first}") if linked else "", is_done, by_operator)

    money = step(tr("Add money to the balance"), "/money/add", "money.read", done.money)
    credit_step = step(tr("Give the profile credit for calls"), "{profile}/credit/add", "money.move", done.credit)
    steps = [
        step(tr("Load a rate sheet, so that calls have prices"), "/money/decks/new", "rates.write", done.rates),
        step(tr("Add a trunk to a carrier, which places the calls"), "/trunks/new", "trunks.write", done.trunk),
        step(tr("Create a SIP profile for your PBX"), "/profiles/new", "profiles.write", done.profile),
        money,
        step(tr("Buy channels: one for each simultaneous call"), "{profile}/channels", "money.move", done.channels),
        credit_step,
        step(tr("Connect the PBX"), "{profile}/connection", "profiles.read", done.connected),
        step(tr("Get a number, and choose where it rings"), "/stock", "money.move", done.number),
        step(tr("Call your PBX from this browser"), "{profile}/ring", "numbers.write", done.called),
        step(tr("Place a call; test first whether it would be carried"), "{profile}/test", "calls.read", done.called),
    ]
    return [each for each in steps if not (costs_nothing and each in (money, credit_step))]


def _alarms(
    ask: Ask,
    balance: Balance | None,
    shown_profiles: list[ProfileView],
    credits: dict[str, int],
) -> list[Line]:
    """What needs a look, and where to look."""
    found: list[Line] = []
    if balance is not None:
        due = plans.due_before(ask.now + RENEWS_WITHIN_MS).get(ask.scope.company or 0, (0, 0))[0]
        if due > balance.available_micros:
            have, need = shown(balance.available_micros, balance.currency), shown(due, balance.currency)
            found.append(
                (tr("The balance is {have}, and {need} are due within three days", have=have, need=need), "/money/add")
            )
        if recharges.is_parked(ask.company):
            found.append((tr("Auto-recharge by card has stopped"), "/money/auto-recharge"))
        scope = Scope(ask.scope.company)
        for view in reachability.seen_by(scope):
            name = trunk_of(view.endpoint)
            if name is not None and view.state == "down":
                found.append(
                    (
                        tr("The trunk {name} cannot be reached: {words}", name=name, words=kept.read(view.words)),
                        "/trunks",
                    )
                )
    for profile in shown_profiles:
        link = f"/profiles/{profile.username}"
        if profile.status == "active" and not credits.get(profile.username):
            found.append((tr("{name} has no credit, so it cannot make calls", name=profile.name), link))
        if profile.channels and profile.channels_in_use >= profile.channels:
            found.append(
                (tr("{name} uses all of its {channels} channels", name=profile.name, channels=profile.channels), link)
            )
    return found[:20]
