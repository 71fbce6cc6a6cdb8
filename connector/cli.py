"""The command line: tables for people, `--json` for programs, one line for what goes wrong."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from connector import config, doctor, service
from connector.billing import calls as call_records
from connector.billing import profiles
from connector.billing.calls import CdrView, LiveCall
from connector.billing.store import Store
from connector.clock import SystemClock
from connector.core.times import iso
from connector.errors import ConnectorError

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Prepaid SIP profiles for Asterisk.")
profile_app = typer.Typer(no_args_is_help=True, help="SIP profiles.")
cdr_app = typer.Typer(no_args_is_help=True, help="What became of each call.")
app.add_typer(profile_app, name="profile")
app.add_typer(cdr_app, name="cdr")

console = Console()
errors = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
_TIMES = ("started_at", "answered_at", "ended_at", "created_at", "seen_at")
_settings_path: Path | None = None


def main() -> None:
    """The entry point: an error of ours is one line and exit status 1."""
    try:
        app()
    except ConnectorError as error:
        errors.print(Text.assemble(("error: ", "red"), _plain(str(error))), soft_wrap=True)
        sys.exit(1)
    except BrokenPipeError:  # the reader of our output left
        sys.stderr.close()
        sys.exit(1)


@app.callback()
def options(
    settings: Annotated[
        Path | None, typer.Option("--config", help="The settings file; else $CONNECTOR_CONFIG, else the usual places.")
    ] = None,
) -> None:
    """Which settings file."""
    global _settings_path
    _settings_path = settings


@app.command()
def serve(verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")] = False) -> None:
    """Run the connector until it is stopped."""
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    asyncio.run(service.serve(_settings()))


@profile_app.command("list")
def profile_list(as_json: AsJson = False) -> None:
    """All profiles."""
    _open_store()
    found = profiles.list_profiles()
    if as_json:
        _print_json([_as_dict(view) for view in found])
        return
    _print_table(
        "Profiles",
        ("Name", "Username", "Company", "Status", "Channels in use", "Numbers"),
        [
            (p.name, p.username, p.company, p.status, f"{p.channels_in_use} of {p.channels}", " ".join(p.numbers))
            for p in found
        ],
        "No profile yet: 'connector profile create NAME --channels 10' makes one.",
        may_shrink=("Name", "Company", "Numbers"),
    )


@profile_app.command("show")
def profile_show(name: str, as_json: AsJson = False) -> None:
    """One profile, by its name or username."""
    _open_store()
    _print_one(_as_dict(profiles.show_profile(name)), as_json)


@profile_app.command("create")
def profile_create(
    name: str,
    channels: Annotated[int, typer.Option(help="Simultaneous calls, 1 to 300; 0 for none yet.")] = 0,
    company: Annotated[str | None, typer.Option(help="Whose it is, if there are several companies.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a profile. Its password is shown now, and never again."""
    settings = _open_store()
    made = profiles.create_profile(name, channels, settings.sip.realm, SystemClock().now_ms(), company)
    _print_one(
        {**_as_dict(profiles.show_profile(made.username)), "password": made.password, "realm": made.realm}, as_json
    )


@app.command()
def calls(as_json: AsJson = False) -> None:
    """The calls that are up now."""
    _open_store()
    found = call_records.live()
    if as_json:
        _print_json([_as_dict(call) for call in found])
        return
    _print_table(
        f"{len(found)} live calls (times are UTC)",
        ("Profile", "Way", "From", "To", "Trunk", "Started", "Answered"),
        [_live_row(call) for call in found],
        "No call is up.",
        may_shrink=("Trunk", "From", "Profile"),
    )


@cdr_app.command("list")
def cdr_list(
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many, the newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """The newest calls."""
    _open_store()
    found = call_records.cdrs(limit)
    if as_json:
        _print_json([_as_dict(cdr) for cdr in found])
        return
    print_cdrs(found)


@cdr_app.command("show")
def cdr_show(cdr_id: Annotated[str, typer.Argument(metavar="ID")], as_json: AsJson = False) -> None:
    """One call, with everything that is known of it, by its ID or the beginning of it."""
    _open_store()
    _print_one(_as_dict(call_records.cdr(cdr_id)), as_json)


@app.command("doctor")
def doctor_command(as_json: AsJson = False) -> None:
    """Look at everything the connector needs, and say what to do about what is wrong. Exit status 1 if anything is."""
    found = asyncio.run(doctor.examine(_settings()))
    if as_json:
        _print_json([asdict(check) for check in found])
    else:
        signs = {"ok": "[green]ok[/green]", "warning": "[yellow]warning[/yellow]", "wrong": "[red]wrong[/red]"}
        table = Table("Check", "", "Found", "What to do", title="Doctor")
        for check in found:
            table.add_row(check.name, signs[check.state], _plain(check.found), _plain(check.advice))
        console.print(table)
    if any(check.state == "wrong" for check in found):
        raise typer.Exit(1)


def print_cdrs(found: list[CdrView]) -> None:
    """CDRs as a table that fits a terminal of 80 columns; `cdr show` takes the ID as it stands here."""
    _print_table(
        "Calls (times are UTC)",
        ("Ended", "Profile", "Way", "From", "To", "Talked", "Ending", "ID"),
        [
            (
                (iso(c.ended_at) or "")[11:19],
                c.profile or "-",
                c.direction,
                c.caller_id[:14],
                (c.called or c.dialled)[:16],
                f"{c.duration_ms / 1000:.3f} s",
                c.refusal or c.ending,
                c.id[:8],
            )
            for c in found
        ],
        "No call yet.",
        may_shrink=("Profile", "From", "To"),
    )


def _live_row(call: LiveCall) -> tuple[str, ...]:
    answered = (iso(call.answered_at) or "")[11:19] or "ringing"
    return (
        call.profile,
        call.direction,
        call.caller_id,
        call.called,
        call.trunk,
        (iso(call.started_at) or "")[11:19],
        answered,
    )


def _settings() -> config.Settings:
    return config.read(_settings_path or config.default_path())


def _open_store() -> config.Settings:
    settings = _settings()
    Store(settings.store.path).check()
    return settings


def _as_dict(view: Any) -> dict[str, Any]:
    """A view for programs: its instants as ISO 8601, in UTC, to the millisecond."""
    return {key: iso(value) if key in _TIMES else value for key, value in asdict(view).items()}


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def _print_one(fields: dict[str, Any], as_json: bool) -> None:
    if as_json:
        _print_json(fields)
        return
    table = Table(show_header=False)
    for key, value in fields.items():
        shown = " ".join(value) if isinstance(value, list) else "-" if value is None else str(value)
        table.add_row(key, _plain(shown))
    console.print(table)


def _print_table(
    title: str, heads: tuple[str, ...], rows: list[tuple[str, ...]], empty: str, *, may_shrink: tuple[str, ...] = ()
) -> None:
    """A table on the terminal. Where it is too narrow, the columns of `may_shrink` give way first."""
    if not rows:
        console.print(empty)
        return
    table = Table(title=title, box=box.SIMPLE, padding=(0, 1, 0, 0))
    for number, head in enumerate(heads):
        widest = max(len(head), *(len(row[number]) for row in rows))
        table.add_column(head, no_wrap=True, min_width=3 if head in may_shrink else widest)
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    console.print(table)


def _plain(text: str) -> Text:
    """Text that may come from the network: no markup of ours and no control characters of theirs reach the terminal."""
    return Text("".join(char if char.isprintable() else "?" for char in text))
