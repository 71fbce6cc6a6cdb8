"""The web pages, a module a subject; all of them are in `PAGES`."""

from __future__ import annotations

from connector.web.site import (
    alerts,
    buttons,
    calling,
    calls,
    deleting,
    exports,
    house,
    invoices,
    mailboxes,
    margins,
    numbers,
    overview,
    people,
    profiles,
    rates,
    recharges,
    reports,
    routing,
    search,
    stock,
    trunks,
)

PAGES = (
    *overview.pages.all,
    *profiles.pages.all,
    *deleting.pages.all,
    *calling.pages.all,
    *stock.pages.all,  # before numbers: /numbers/new is no number
    *numbers.pages.all,
    *routing.pages.all,
    *mailboxes.pages.all,
    *buttons.pages.all,
    *calls.pages.all,
    *reports.pages.all,
    *search.pages.all,
    *exports.pages.all,
    *invoices.pages.all,
    *alerts.pages.all,
    *people.pages.all,
    *house.pages.all,
    *recharges.pages.all,
    *rates.pages.all,
    *margins.pages.all,  # before trunks
    *trunks.pages.all,
)
