"""Reports by month, with charts; the refusals; and the statement that is printed."""

from __future__ import annotations

from typing import Any

from connector.billing import reports
from connector.billing.reports import DayUse, MonthReport
from connector.core import refusals
from connector.core.times import checked_month
from connector.errors import BadInput
from connector.web.charts import Bar, bars
from connector.web.endpoint import Ask
from connector.web.render import length
from connector.web.site.frame import Shown, SitePages
from connector.words import tr

pages = SitePages()

MOST_ROWS = 50


@pages.get("/reports", "money.read", of_company=True)
def report_page(ask: Ask) -> Shown:
    """A company's month."""
    month, wrong = _asked(ask)
    found = reports.month(ask.company, month, ask.now)
    return _shown(ask, found, "", wrong)


@pages.get("/profiles/{profile}/report", "money.read")
def profile_report_page(ask: Ask) -> Shown:
    """A profile's month."""
    month, wrong = _asked(ask)
    username = ask.path["profile"]
    found = reports.of_profile(username, month, ask.now)
    return _shown(ask, found, found.profile or "", wrong)


@pages.get("/statement", "money.read", of_company=True)
def statement_page(ask: Ask) -> Shown:
    """A company's money over a month, to be printed."""
    month, wrong = _asked(ask)
    found = reports.statement(ask.company, month, ask.now, with_costs=ask.actor.sees_costs)
    values = {"statement": found, "months": reports.months(ask.company, ask.now), "wrong": wrong}
    kinds = {"purchases": reports.PURCHASES, "allocations": reports.ALLOCATIONS, "words": reports.IN_WORDS}
    return Shown("statement.html", values | kinds)


def _asked(ask: Ask) -> tuple[str | None, str]:
    """The month that was asked for, and what is wrong with it."""
    month = ask.query.get("month")
    try:
        return (checked_month(month) if month else None), ""
    except BadInput as error:
        return None, error.translated()


def _shown(ask: Ask, found: MonthReport, profile: str, wrong: str) -> Shown:
    values: dict[str, Any] = {
        "report": found,
        "profile": profile,
        "months": reports.months(ask.company, ask.now),
        "wrong": wrong,
        "calls_chart": bars(tr("Calls of each day"), [_calls(day) for day in found.days]),
        "channels_chart": bars(tr("Channels in use, and bought, on each day"), [_channels(day) for day in found.days])
        if profile
        else "",
        "most": MOST_ROWS,
        "highest": max((each.price_micros for each in found.destinations), default=0),
        "words_of": {code: refusal.words for code, refusal in refusals.BY_CODE.items()},
        "tried": found.calls_out + found.calls_in + found.refused,
        "blocked": sum(day.blocked for day in found.days),
    }
    return Shown("report.html", values)


def _calls(day: DayUse) -> Bar:
    refused = day.refused - day.blocked
    words = tr(
        "{day}: {out} out, {into} in, {blocked} blocked, {refused} refused otherwise, {talked} talked",
        day=day.day,
        out=day.calls_out,
        into=day.calls_in,
        blocked=day.blocked,
        refused=refused,
        talked=length(day.duration_ms),
    )
    parts = (("out", day.calls_out), ("in", day.calls_in), ("blocked", day.blocked), ("refused", refused))
    return Bar(day.day[8:].lstrip("0"), parts, words)


def _channels(day: DayUse) -> Bar:
    words = tr(
        "{day}: at most {peak} of {channels} channels in use, {blocked} calls blocked",
        day=day.day,
        peak=day.peak,
        channels=day.channels,
        blocked=day.blocked,
    )
    full = bool(day.channels) and day.peak == day.channels
    return Bar(day.day[8:].lstrip("0"), ((("blocked" if full else "out"), day.peak or 0),), words, day.channels)
