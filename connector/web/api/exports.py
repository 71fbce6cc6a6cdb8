"""Exports: sheets of CSV that are written in the background."""

from __future__ import annotations

from typing import Literal

from connector.billing import exports
from connector.billing.exports import ExportView
from connector.core.paging import Page, turn
from connector.web.api.reports import Month
from connector.web.endpoint import Ask, Download, Endpoints, OfCompany, Paged, Shape, may_export, sheet_of

api = Endpoints("Exports")


class Wanted(Shape):
    """`month` in the company's time zone; without it, all there ever was."""

    kind: Literal["calls", "usage", "summary", "refusals", "purchases", "allocations", "ledger"]
    month: Month | None = None


class WantedOfProfile(Shape):
    """The same, of one profile."""

    kind: Literal["calls", "usage", "summary", "refusals"]
    month: Month | None = None


@api.post("/exports", "money.read", of_company=True, status=201)
def ask_export(ask: Ask, body: Wanted, query: OfCompany) -> ExportView:
    """Have a sheet written; `state` tells when it is done. That of calls takes `calls.read` besides."""
    may_export(ask, body.kind)
    return exports.ask(body.kind, ask.place.node, ask.now, ask.company, month=body.month)


@api.post("/profiles/{profile}/exports", "money.read", status=201)
def ask_profile_export(ask: Ask, body: WantedOfProfile) -> ExportView:
    """Have a sheet of one profile written. That of calls takes `calls.read` besides."""
    may_export(ask, body.kind)
    return exports.ask(body.kind, ask.place.node, ask.now, profile=ask.path["profile"], month=body.month)


@api.get("/exports", "money.read")
def list_exports(ask: Ask, query: Paged) -> Page[ExportView]:
    """The sheets that were asked for, newest first."""
    return exports.page_of(ask.scope, turn(query.cursor, query.limit, "i"))


@api.get("/exports/{export}", "money.read")
def show_export(ask: Ask) -> ExportView:
    """How far a sheet is."""
    return exports.show(ask.number("export"))


@api.get("/exports/{export}/file", "money.read")
def download_export(ask: Ask) -> Download:
    """The sheet, once its state is `done`; it is kept for a week."""
    return sheet_of(ask)
