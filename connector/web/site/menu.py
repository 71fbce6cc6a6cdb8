"""The menu of the pages: its groups, and who sees which entry."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from connector.words import marked, tr

Entry = tuple[str, str, bool, str]  # where it leads, its words, whether the visitor is there, its key after g


@dataclass(frozen=True)
class _Entry:
    path: str
    words: str
    permission: str | None = None
    # Its word at the bottom of a telephone; "" if it is not one of the few there.
    short: str = ""
    # The key that leads there after g (static/manager.js); "" for none.
    key: str = ""
    # What else belongs to it: pages whose path begins so.
    more: tuple[str, ...] = ()


_GROUPS: tuple[tuple[str, tuple[_Entry, ...]], ...] = (
    (
        "",
        (
            _Entry("/", "Overview", key="o", short="Overview"),
            _Entry("/calls", "Live calls", "calls.read", key="c", short="Calls"),
            _Entry("/history", "Call history", "calls.read", key="h", more=("/emergency-calls",)),
        ),
    ),
    (
        marked("Service"),
        (
            _Entry(
                "/profiles", "SIP profiles", "profiles.read", key="p", short="Profiles",
                more=("/advice", "/client-profiles"),
            ),
            _Entry(
                "/numbers", "Numbers", "numbers.read", key="n", short="Numbers",
                more=("/accounts", "/departments", "/hours", "/mailboxes", "/stock"),
            ),
            _Entry("/buttons", "Call buttons", "numbers.read"),
            _Entry("/trunks", "Trunks", "trunks.read", key="t"),
        ),
    ),
    (
        marked("Money"),
        (
            _Entry("/money", "Billing", "company.read", key="b"),
            _Entry("/margins", "Margins", "costs.read"),
            _Entry("/invoices", "Invoices", "company.read", key="i"),
            _Entry("/reports", "Reports", "company.read", key="r", more=("/statement", "/exports")),
            _Entry("/alerts", "Alerts", "company.read"),
        ),
    ),
    (
        marked("Company"),
        (
            _Entry("/people", "People", "users.read"),
            _Entry("/audit", "Audit log", "audit.read"),
            _Entry("/me", "My account", key="m"),
        ),
    ),
)  # fmt: skip


def groups(path: str, may: Collection[str]) -> list[tuple[str, list[Entry]]]:
    """The groups of the menu on the page at `path`, with what a visitor with these permissions may see."""
    found = [(heading, [_shown(each, path) for each in entries if _seen(each, may)]) for heading, entries in _GROUPS]
    return [(tr(heading), entries) for heading, entries in found if entries]


def first(path: str, may: Collection[str]) -> list[Entry]:
    """The few entries at the bottom of a telephone."""
    few = [each for _, entries in _GROUPS for each in entries if each.short and _seen(each, may)]
    return [_shown(replace(each, words=each.short), path) for each in few]


def _seen(entry: _Entry, may: Collection[str]) -> bool:
    return entry.permission is None or entry.permission in may


def _shown(entry: _Entry, path: str) -> Entry:
    begins = () if entry.path == "/" else (entry.path, *entry.more)
    here = path == entry.path or any(path == each or path.startswith(f"{each}/") for each in begins)
    return entry.path, tr(entry.words), here, entry.key
