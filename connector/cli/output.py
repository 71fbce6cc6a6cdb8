"""What the commands print: tables for people, JSON for programs; and the options that many of them have."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from connector.clock import SystemClock
from connector.core import times
from connector.core.formats import shown
from connector.core.tables import decoded
from connector.errors import BadInput

V = TypeVar("V")

# In a pipe nothing is cut: lines are as long as they are.
WIDE = 4_000
console = Console(width=None if sys.stdout.isatty() else WIDE)
errors = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Company = Annotated[str | None, typer.Option(help="The company (required when there are several).")]
Key = Annotated[
    str | None,
    typer.Option(help="A word for this very movement: said again with the same word, it is not made twice."),
]
# An amount or a number that begins with "-" is a wrong amount, not an option.
NUMBERS = {"ignore_unknown_options": True}
MOST_KEY = 100
MOST_ID = 2**31 - 1
Id = Annotated[int, typer.Argument(metavar="ID", min=1, max=MOST_ID)]
LEAST_WIDTH = 3
# What people copy stands on a line of its own, whole, however narrow the terminal.
ALONE = ("secret", "password", "link", "url", "html")
# What --config names. It is here, for `main` to set without loading the store.
settings_path: list[Path | None] = [None]


def now() -> int:
    """The time of the command, in milliseconds."""
    return SystemClock().now_ms()


def key_or_new(key: str | None) -> str:
    """The idempotency key that was given, or a new one, before anything is tried. BadInput if it is unfit."""
    if key is None:
        return uuid.uuid4().hex
    if not 1 <= len(key) <= MOST_KEY or not key.isprintable():
        raise BadInput("a key has 1 to {most_key} printable characters", most_key=MOST_KEY)
    return key


def read_file(file: Path, most_bytes: int) -> str:
    """The text of a file that somebody named. BadInput if it cannot be read, is too large, or is no text."""
    try:
        if file.stat().st_size > most_bytes:
            raise BadInput("{file} is larger than {most_bytes} bytes", file=file, most_bytes=most_bytes)
        return decoded(file.read_bytes(), file.name)
    except OSError as error:
        raise BadInput("{file} cannot be read: {strerror}", file=file, strerror=error.strerror or error) from None


def read_answers(given: list[str]) -> dict[str, str]:
    """Answers to questions about a sheet, `KEY=VALUE`, by their keys. BadInput."""
    if wrong := [each for each in given if "=" not in each]:
        raise BadInput("{given!r} is not an answer. Write it as date_order=day.", given=wrong[0][:40])
    return dict(each.split("=", 1) for each in given)


def as_dict(view: Any) -> dict[str, Any]:
    """A view for programs: its instants as ISO 8601, in UTC, to the millisecond."""
    fields: dict[str, Any] = times.timed(asdict(view))
    return fields


def print_json(value: Any) -> None:
    """One JSON value."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def print_one(fields: dict[str, Any], as_json: bool) -> None:
    """One thing: its fields. For people, sums of money are in the currency if `currency` is among the fields."""
    if as_json:
        print_json(fields)
        return
    table = Table(show_header=False)
    currency = fields.get("currency")
    alone = {key: value for key, value in fields.items() if key in ALONE and value}
    for key, value in fields.items():
        if key in alone:
            continue
        if key.endswith("_micros") and isinstance(value, int) and currency:
            key, value = key.removesuffix("_micros"), shown(value, currency)
        table.add_row(key.replace("_", " "), plain(_text(value)))
    if table.row_count:
        console.print(table)
    for key, value in alone.items():
        sys.stdout.write(f"{key}: {plain(str(value))}\n")


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items() if item not in ("", (), []))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return "-" if value is None else str(value).replace("\n", "; ")


def print_many(
    title: str, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]], empty: str, *, may_shrink: tuple[str, ...] = ()
) -> None:
    """A table on the terminal. Where it is too narrow, the columns of `may_shrink` give way, in their order."""
    if not rows:
        console.print(empty)
        return
    table = Table(title=title, box=box.SIMPLE, padding=(0, 1, 0, 0))
    widths = [max(len(head), *(len(row[number]) for row in rows)) for number, head in enumerate(heads)]
    # Rich takes from every column alike when they are too wide together, even from an ID: here only some give way.
    excess = sum(widths) + 2 * len(widths) + 1 - console.width  # a space on either side of each
    for number in (heads.index(head) for head in may_shrink):
        given = max(0, min(excess, widths[number] - LEAST_WIDTH))
        widths[number] -= given
        excess -= given
    for head, width in zip(heads, widths, strict=True):
        table.add_column(head, no_wrap=True, width=width)
    for row in rows:
        table.add_row(*(plain(cell) for cell in row))
    console.print(table)


def print_list(
    found: Sequence[V],
    as_json: bool,
    title: str,
    heads: tuple[str, ...],
    row: Callable[[V], tuple[str, ...]],
    empty: str,
    *,
    may_shrink: tuple[str, ...] = (),
) -> None:
    """A list of views: as JSON, whole; or as a table, of each what `row` makes of it."""
    if as_json:
        print_json([as_dict(view) for view in found])
    else:
        print_many(title, heads, [row(view) for view in found], empty, may_shrink=may_shrink)


def plain(text: str) -> Text:
    """Text that may come from the network: no markup of ours and no control characters of theirs reach the terminal."""
    return Text("".join(char if char.isprintable() else "?" for char in text))
