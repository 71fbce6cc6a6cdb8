"""Reports by month: calls, destinations, refusals and what they were worth, channels, and the statement of money."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from connector.billing import reports
from connector.billing.reports import MonthReport, Statement
from connector.web.endpoint import Ask, Endpoints, OfCompany

api = Endpoints("Reports")

Month = Annotated[str, Field(pattern="^20[0-9]{2}-(0[1-9]|1[0-2])$", examples=["2026-11"])]


class MonthAsked(OfCompany):
    """`month` in the company's time zone; the one that runs if it is not said."""

    month: Month | None = None


@api.get("/reports/months", "company.read", of_company=True)
def list_months(ask: Ask) -> list[str]:
    """The months that there is something to report of, the newest first."""
    return reports.months(ask.company, ask.now)


@api.get("/reports/calls", "money.read", of_company=True)
def show_month(ask: Ask, query: MonthAsked) -> MonthReport:
    """A company's calls of a month: by profile, destination and day, and those that were refused."""
    return reports.month(ask.company, query.month, ask.now)


@api.get("/reports/statement", "money.read", of_company=True)
def show_statement(ask: Ask, query: MonthAsked) -> Statement:
    """A company's money over a month: what there was, came, went and is, by the ledger."""
    return reports.statement(ask.company, query.month, ask.now, with_costs=ask.actor.sees_costs)


@api.get("/profiles/{profile}/report", "money.read")
def show_profile_month(ask: Ask, query: MonthAsked) -> MonthReport:
    """A profile's calls of a month, and its channels by day."""
    return reports.of_profile(ask.path["profile"], query.month, ask.now)
