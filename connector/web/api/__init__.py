"""The REST API's endpoints, a module a subject; all of them are in `ENDPOINTS`."""

from __future__ import annotations

from connector.web.api import (
    alerts,
    buttons,
    calls,
    company,
    exports,
    invoices,
    margins,
    money,
    numbers,
    people,
    profiles,
    reports,
    trunks,
)

ENDPOINTS = (
    *company.api.all,
    *profiles.api.all,
    *money.api.all,
    *numbers.api.all,
    *buttons.api.all,
    *calls.api.all,
    *reports.api.all,
    *exports.api.all,
    *invoices.api.all,
    *alerts.api.all,
    *trunks.api.all,
    *margins.api.all,
    *people.api.all,
)
