"""The web pages, a module a subject; all of them are in `PAGES`."""

from __future__ import annotations

from connector.web.site import alerts, calling, calls, exports, house, numbers, overview, people, profiles, reports

PAGES = (
    *overview.pages.all,
    *profiles.pages.all,
    *calling.pages.all,
    *numbers.pages.all,
    *calls.pages.all,
    *reports.pages.all,
    *exports.pages.all,
    *alerts.pages.all,
    *people.pages.all,
    *house.pages.all,
)
