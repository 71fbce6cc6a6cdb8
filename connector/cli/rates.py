"""`connector rates`: rate decks, and what a call would cost."""

from __future__ import annotations

import gc
import shlex
import sys
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from connector.billing import decks, trials
from connector.billing.decks import DeckView, ReadDeck, SheetView
from connector.cli import questions
from connector.cli.completing import profile_names, trunk_names
from connector.cli.opening import open_store
from connector.cli.output import (
    AsJson,
    Company,
    as_dict,
    console,
    errors,
    now,
    plain,
    print_json,
    print_list,
    print_many,
    print_one,
    read_answers,
    read_file,
)
from connector.core.layouts import EXACT, Question
from connector.core.money import decimal
from connector.core.rate_sheets import Sheet
from connector.core.times import iso
from connector.errors import BadInput

app = typer.Typer(no_args_is_help=True)

MOST_BYTES = 200_000_000
MOST_SHOWN = 50


@app.command("load")
def rates_load(
    file: Path,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Show how the sheet is understood and what would change, and change nothing. Exit status 2: something"
            " must be answered or corrected first.",
        ),
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="The sheet is complete: prefixes that it does not name end at its date.")
    ] = False,
    trunk: Annotated[
        str,
        typer.Option(
            autocompletion=trunk_names, help="It is a cost sheet: what the carrier of this trunk takes from us."
        ),
    ] = "",
    currency: Annotated[
        str, typer.Option(help="The currency of a cost sheet, if it is not the company's, or that of the one before.")
    ] = "",
    carrier: Annotated[
        str,
        typer.Option(
            help="Whose sheet it is: what was answered for a sheet of theirs is not asked again. Of a cost sheet its"
            " trunk, if nothing is said."
        ),
    ] = "",
    answer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="An answer to a question about the sheet, such as date_order=day, or a column by its name or number,"
            " such as column.price_per_minute=Rate. May be repeated.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    company: Company = None,
    as_json: AsJson = False,
) -> None:
    """Load a rate sheet (CSV or XLSX): all of it or nothing, in effect ten seconds later, without stopping calls.

    A carrier's sheet is taken as it is: the columns are found by their names and by what is in them, and are shown
    before anything is loaded. Prefixes that it does not name keep their rates, unless it is loaded with --full. Rates
    with a later date change nothing until then.
    """
    open_store()
    # Millions of objects are made here, none of which refers to itself: to look for such takes a third of the time.
    gc.disable()
    try:
        wanted = _Wanted(read_answers(answer or []), carrier, company, trunk, currency.upper())
        _load(file, wanted, dry_run=dry_run, full=full, yes=yes, as_json=as_json)
    finally:
        gc.enable()


@dataclass(frozen=True)
class _Wanted:
    """What was said of a sheet: answers to its questions, and whose it is."""

    answers: dict[str, str]
    carrier: str
    company: str | None
    trunk: str
    currency: str


def _load(
    file: Path,
    wanted: _Wanted,
    *,
    dry_run: bool,
    full: bool,
    yes: bool,
    as_json: bool,
) -> None:
    text = read_file(file, MOST_BYTES)
    sheet = _understood(text, file.name, wanted, may_ask=not (as_json or yes))
    about = decks.view_of(sheet, wanted.carrier or wanted.trunk)
    if dry_run and not sheet.ready:
        if as_json:
            print_json(_told(about))
        else:
            _print_sheet(about)
        raise typer.Exit(2)
    with console.status("comparing"):
        read = decks.made_of(
            sheet,
            now(),
            wanted.company,
            mode="full" if full else "update",
            carrier=wanted.carrier,
            trunk=wanted.trunk,
            currency=wanted.currency,
        )
    ends = read.difference.ends
    if not as_json and (dry_run or (not yes and questions.may_ask() and not _is_ours(about))):
        _print_sheet(about)
    if ends and as_json and not dry_run and not yes:
        raise BadInput(
            "{count} prefixes end: load the sheet with --yes, or look at them with --dry-run.", count=len(ends)
        )
    if read.sold_below and not (dry_run or yes or (questions.may_ask() and not as_json)):
        raise BadInput(
            "{count} destinations would be sold below cost: load the sheet with --yes, or look at them with --dry-run.",
            count=read.sold_below,
        )
    if ends and not as_json:
        print_many(
            "Rates that end (times are UTC)",
            ("Prefix", "Name", "Ends", "Calls in 30 days"),
            [(each.prefix, each.name, iso(each.at) or "", str(each.calls)) for each in ends[:MOST_SHOWN]],
            "",
            may_shrink=("Name",),
        )
        if len(ends) > MOST_SHOWN:
            console.print(f"and {len(ends) - MOST_SHOWN} more")
    if read.below and not as_json:
        _print_below(read)
    if ends and not dry_run and not yes:
        typer.confirm(f"{len(ends)} prefixes end. Load the sheet?", abort=True)
    elif read.below and not (dry_run or yes or as_json) and questions.may_ask():
        typer.confirm(f"{read.sold_below} destinations are sold below cost then. Load the sheet?", abort=True)
    elif not (dry_run or yes or as_json or _is_ours(about)) and questions.may_ask():
        typer.confirm("Is the sheet understood rightly? Load it?", abort=True)
    name = file.name[: decks.MOST_NAME]
    loaded = {} if dry_run else as_dict(_put(name, read, wanted))
    changes = asdict(read.difference)
    changes["ends"] = list(changes["ends"]) if as_json else len(ends)
    changes["sold_below_cost"] = read.sold_below
    if as_json:
        changes["below_cost"] = [asdict(each) for each in read.below]
    print_one({**(_told(about) if as_json else {}), **changes, **loaded}, as_json)


def _put(name: str, read: ReadDeck, wanted: _Wanted) -> DeckView:
    if wanted.trunk:
        return decks.put_costs(name, wanted.trunk, read, now(), wanted.company)
    return decks.put(name, read, now(), wanted.company)


def _print_below(read: ReadDeck) -> None:
    """What would be sold below cost."""
    print_many(
        "Sold below cost, for a call of a minute",
        ("Prefix", "Name", "Sold for", "Costs", "Cheapest trunk"),
        [
            (each.prefix, each.name, decimal(each.price_micros), decimal(each.cost_micros), each.trunk or "this one")
            for each in read.below
        ],
        "",
        may_shrink=("Name",),
    )
    if read.sold_below > len(read.below):
        console.print(f"and {read.sold_below - len(read.below)} more")


def _understood(text: str, name: str, wanted: _Wanted, *, may_ask: bool) -> Sheet:
    """The sheet, with progress; what it leaves open is asked for at a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    while True:
        with Progress(*columns, console=errors, transient=True, disable=not sys.stderr.isatty()) as shown:
            task = shown.add_task(f"Reading {plain(name)}", total=None)
            tell = partial(_show, shown, task)
            sheet = decks.understand(
                text,
                wanted.company,
                answers=wanted.answers,
                carrier=wanted.carrier,
                told=tell,
                trunk=wanted.trunk,
                currency=wanted.currency,
            )
        if not (sheet.questions and may_ask and questions.may_ask()):
            return sheet
        for question in sheet.questions:
            wanted.answers[question.key] = _asked(question)


def _show(shown: Progress, task: TaskID, done: int, of: int) -> None:
    """Show how many of how many rows are read."""
    shown.update(task, completed=done, total=of)


def _asked(question: Question) -> str:
    errors.print(plain(question.text), soft_wrap=True)
    for choice, meaning in question.choices:
        errors.print(plain(f"  {choice}: {meaning}"), soft_wrap=True)
    allowed = {choice for choice, _ in question.choices}

    def read(text: str) -> str:
        """One of the choices. BadInput."""
        if text not in allowed:
            raise BadInput("Answer one of {allowed}.", allowed=", ".join(sorted(allowed)))
        return text

    return questions.ask(None, "--answer", "Your answer", read)


def _is_ours(about: SheetView) -> bool:
    """Whether nothing of a sheet was guessed, or it was looked at before: every column is named as we name it."""
    return about.is_known or about.confidence == EXACT


def _told(about: SheetView) -> dict[str, Any]:
    """How a sheet was understood, for programs: confidences from 0 to 1."""
    fields = asdict(about)
    del fields["wrong"]
    fields["confidence"] = about.confidence / 100
    mapping = {}
    for role, (first, *others) in about.mapping.items():
        each = [{"column": it.number, "name": it.name, "confidence": it.confidence / 100} for it in (first, *others)]
        mapping[role] = {**each[0], **({"others": each[1:]} if others else {})}
    fields["mapping"] = mapping
    fields["problem_rows"] = about.wrong
    fields["questions"] = [
        {
            "key": each.key,
            "question": str(each.text),
            "choices": [{"answer": choice, "means": str(meaning)} for choice, meaning in each.choices],
            "rows": list(each.rows),
        }
        for each in about.questions
    ]
    return fields


def _print_sheet(about: SheetView) -> None:
    """How a sheet was understood, for people: its columns, its first rows, and what is in the way of it."""
    rows = [
        (role.replace("_", " "), column.name or "-", str(column.number), f"{column.confidence} %")
        for role, found in about.mapping.items()
        for column in found
    ]
    print_many("How the sheet is understood", ("What", "Column", "Number", "Sure"), rows, "", may_shrink=("Column",))
    if about.ignored:
        console.print(plain(f"Not used: {', '.join(about.ignored)}"), soft_wrap=True)
    print_many(
        "Its first rows",
        ("Row", "Prefixes", "Name", "A minute", "Fee", "Steps", "From"),
        [
            (
                str(each.row),
                ", ".join(each.prefixes),
                each.name,
                "blocked" if each.blocked else each.price_per_minute,
                each.connection_fee,
                each.increments,
                each.valid_from,
            )
            for each in about.sample
        ],
        "No row was read.",
        may_shrink=("Name", "Prefixes"),
    )
    counts = {key: count for key, count in asdict(about.counts).items() if count}
    console.print(plain(", ".join(f"{count} {key.replace('_', ' ')}" for key, count in counts.items())))
    for question in about.questions:
        console.print(plain(question.text), soft_wrap=True)
        for choice, meaning in question.choices:
            console.print(plain(f"  --answer {shlex.quote(f'{question.key}={choice}')}  ({meaning})"), soft_wrap=True)
    for each in about.problems:
        console.print(plain(f"Row {each.row}: {each.reason}"), soft_wrap=True)
    if about.wrong > len(about.problems):
        console.print(f"and {about.wrong - len(about.problems)} more rows")


@app.command("list")
def rates_list(
    trunk: Annotated[str, typer.Option(autocompletion=trunk_names, help="The cost decks of this trunk.")] = "",
    company: Company = None,
    as_json: AsJson = False,
) -> None:
    """All decks of prices, or all cost decks of a trunk, the newest first."""
    open_store()
    found = decks.list_decks(company, trunk)
    print_list(
        found,
        as_json,
        "Rate decks (times are UTC)",
        ("ID", "Company", "Name", "Rates", "In use from", "Version"),
        lambda view: (
            str(view.id),
            view.company,
            view.name,
            str(view.rates),
            iso(view.in_use_at) or "",
            view.version[:12],
        ),
        "No deck yet: 'connector rates load FILE' loads one.",
        may_shrink=("Name", "Company"),
    )


@app.command("price")
def rates_price(
    number: str,
    ms: Annotated[int, typer.Option(help="How long the call would talk, in milliseconds.")],
    profile: Annotated[
        str | None,
        typer.Option(autocompletion=profile_names, help="Whose call it would be: its bundles and limits count."),
    ] = None,
    company: Company = None,
    as_json: AsJson = False,
) -> None:
    """What a call would cost, now, without making it."""
    open_store()
    print_one(as_dict(trials.price(number, ms, now(), profile, company)), as_json)
