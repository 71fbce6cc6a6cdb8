"""Which module has which command. `connector --help` loads none of them, a command only its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class Place(NamedTuple):
    """Where a command is: the module of this package, and its `typer.Typer`. `words`: what `--help` says of it.

    A group of commands is all of its Typer, `alone` is one command out of a Typer that has several.
    """

    module: str
    app: str
    words: str
    alone: bool = False


def _alone(module: str, words: str, app: str = "app") -> Place:
    return Place(module, app, words, alone=True)


# Heading of `connector --help` -> command -> its place.
PLACES: dict[str, dict[str, Place]] = {
    "Run it": {
        "setup": _alone("setup", "Set up everything that a first call needs."),
        "serve": _alone("service", "Run the connector: the gate and the control process."),
        "doctor": _alone("service", "Look at everything the connector needs, and say what to do."),
        "install": _alone("dropin", "Add our files beside Asterisk's, and include lines."),
        "uninstall": _alone("dropin", "Remove what install added."),
        "config": Place("config", "app", "Asterisk's pjsip config: plan, apply, roll back."),
        "nodes": Place("nodes", "app", "The nodes that share the store: each an Asterisk with its connector."),
    },
    "Calls": {
        "calls": _alone("calls", "The calls that are up now."),
        "hang-up": _alone("calls", "End a call that is up on this node."),
        "why": _alone("calls", "Whether a call would be carried, and if not, every reason."),
        "cdr": Place("calls", "cdr_app", "What became of each call."),
        "emergency": _alone("calls", "The calls to emergency numbers."),
    },
    "Profiles, numbers and routes": {
        "profile": Place("profiles", "app", "SIP profiles."),
        "trunk": Place("trunks", "app", "Trunks: the ways to carriers and providers."),
        "trunks": _alone("trunks", "How every trunk and PBX is, and why.", "status_app"),
        "numbers": Place("numbers", "app", "Numbers: the forms they are dialled in, and those you have."),
        "account": Place("routes", "account_app", "Accounts: names that are called, as sip:support@host."),
        "route": Place("routes", "route_app", "Where calls to a number or account ring."),
        "department": Place("routes", "department_app", "Departments: routes that have a name."),
        "hours": Place("routes", "hours_app", "Hours: times that have a name, for routes."),
        "voicemail": Place("voicemail", "app", "Voice mail: mailboxes, greetings, messages."),
        "button": Place("buttons", "app", "Call buttons: a visitor's browser calls an account, for free."),
    },
    "Money": {
        "company": Place("money", "company_app", "Companies, their balances and prices."),
        "invoice": Place("invoices", "app", "Invoices and credit notes, and how companies are taxed."),
        "credit": Place("money", "credit_app", "The credit of profiles."),
        "channels": Place("subscriptions", "channels_app", "Channel subscriptions."),
        "bundles": Place("subscriptions", "bundles_app", "US minute bundles: 5,000 minutes each a term."),
        "rates": Place("rates", "app", "Rate decks, and what a call costs."),
        "margin": Place("margins", "margin_app", "What calls leave over their cost, and the least that they have to."),
        "exchange": Place("margins", "exchange_app", "What carriers' currencies are worth."),
        "ledger": Place("money", "ledger_app", "The ledger: entries, balances, verification, closed months."),
        "report": Place("reports", "app", "What happened in a month."),
        "export": _alone("exports", "Write a CSV of calls, charges or the ledger."),
        "timemachine": _alone("subscriptions", "What would be charged, day by day, if nothing were changed."),
    },
    "People and notices": {
        "user": Place("people", "user_app", "Users of the web pages and the REST API."),
        "token": Place("people", "token_app", "API tokens, for programs."),
        "audit": Place("people", "audit_app", "Who did what."),
        "notices": _alone("alerts", "The notices to the people of a company.", "notices_app"),
        "threshold": Place("alerts", "threshold_app", "What companies are told of besides."),
        "webhook": Place("alerts", "webhook_app", "Where notices are posted to."),
    },
    "The store": {
        "backup": _alone("backups", "Copy the store while calls go on, and verify the copy."),
        "restore": _alone("backups", "Put a backup in the store's place."),
        "reconcile": _alone("backups", "After a restore: what is not known, and what would be charged."),
        "move-to": _alone("moving", "Move everything to another store."),
    },
}
_BY_NAME = {name: (heading, place) for heading, places in PLACES.items() for name, place in places.items()}


def loaded(name: str) -> Any:
    """A command by its name, from its module."""
    _, place = _BY_NAME[name]
    group = typer.main.get_group(getattr(import_module(f"connector.cli.{place.module}"), place.app))
    if place.alone:
        return group.commands[name]
    group.name, group.help = name, place.words
    return group


class Commands(TyperGroup):
    """All commands, each loaded when it is needed. Where only their names and words are shown, none is."""

    _listing = False

    def __init__(self, **words: Any) -> None:
        super().__init__(**words)
        for name, (heading, place) in _BY_NAME.items():  # also what a name that was typed wrongly is compared with
            self.commands[name] = TyperCommand(name, help=place.words, rich_help_panel=heading)

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, in the order of `--help`."""
        return list(_BY_NAME)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command by its name; None if there is none."""
        if self._listing:
            return self.commands[cmd_name]
        return loaded(cmd_name) if cmd_name in _BY_NAME else None

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help of all."""
        with self._only_words():
            super().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """The commands that begin so."""
        with self._only_words():
            return super().shell_complete(ctx, incomplete)

    @contextmanager
    def _only_words(self) -> Iterator[None]:
        self._listing = True
        try:
            yield
        finally:
            self._listing = False
