"""`connector report`: a month's calls, what was refused and what that was worth, and the statement of money."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from connector.billing import reports
from connector.billing.reports import MonthReport, Statement
from connector.cli.completing import profile_names
from connector.cli.opening import open_store
from connector.cli.output import AsJson, Company, as_dict, console, now, print_json, print_many, print_one
from connector.core.formats import shown

app = typer.Typer(no_args_is_help=True)

Month = Annotated[str | None, typer.Option(help="As in 2026-11, in the company's time zone; else the one that runs.")]
_TOTALS = ("calls_out", "calls_in", "refused", "duration_ms", "bundle_s", "price_micros", "worth_micros")


@app.command("months")
def months(company: Company = None, as_json: AsJson = False) -> None:
    """The months that there is something to report of."""
    open_store()
    found = reports.months(company, now())
    print_json(found) if as_json else console.print("\n".join(found))


@app.command("calls")
def month_of_calls(
    month: Month = None,
    profile: Annotated[
        str | None, typer.Option(autocompletion=profile_names, help="Of one profile only, with its channels by day.")
    ] = None,
    company: Company = None,
    as_json: AsJson = False,
) -> None:
    """Calls by destination, profile and day, and those that were refused, with what they might have cost."""
    open_store()
    found = reports.of_profile(profile, month, now()) if profile else reports.month(company, month, now())
    if as_json:
        print_json(as_dict(found))
        return
    _print_month(found)


@app.command("statement")
def statement(month: Month = None, company: Company = None, as_json: AsJson = False) -> None:
    """The company's money over a month, by the ledger: what there was, came, went and is."""
    open_store()
    found = reports.statement(company, month, now(), with_costs=True)
    if as_json:
        print_json(as_dict(found))
        return
    _print_statement(found)


def _print_month(found: MonthReport) -> None:
    fields: dict[str, Any] = asdict(found)
    print_one({name: fields[name] for name in ("company", "profile", "month", "currency", *_TOTALS)}, as_json=False)
    money = found.currency
    print_many(
        "By destination",
        ("Destination", "Calls", "Talked min", "Bundle min", "Cost"),
        [
            (d.destination, str(d.calls), _minutes(d.duration_ms), str(d.bundle_s // 60), shown(d.price_micros, money))
            for d in found.destinations
        ],
        "No call out.",
        may_shrink=("Destination",),
    )
    print_many(
        "Refused",
        ("Profile", "Why", "Calls", "Worth about"),
        [(r.profile, r.refusal, str(r.calls), shown(r.worth_micros, money)) for r in found.refusals],
        "No call was refused.",
        may_shrink=("Profile",),
    )
    if found.profile is None:
        print_many(
            "By profile",
            ("Profile", "Out", "In", "Refused", "Talked min", "Cost"),
            [
                (
                    p.profile,
                    *_counts(p.calls_out, p.calls_in, p.refused),
                    _minutes(p.duration_ms),
                    shown(p.price_micros, money),
                )
                for p in found.profiles
            ],
            "No calls.",
            may_shrink=("Profile",),
        )
    print_many(
        "By day",
        ("Day", "Out", "In", "Blocked", "Refused", "Cost", "Peak", "Bought"),
        [
            (
                d.day,
                *_counts(d.calls_out, d.calls_in, d.blocked, d.refused),
                shown(d.price_micros, money),
                *_counts(d.peak, d.channels),
            )
            for d in found.days
        ],
        "No day yet.",
    )


def _print_statement(found: Statement) -> None:
    fields: dict[str, Any] = asdict(found)
    lists = ("credits", "movements", "more", "from_at", "until_at")
    print_one({name: value for name, value in fields.items() if name not in lists}, as_json=False)
    money = found.currency
    print_many(
        "Credit of profiles",
        ("Profile", "There was", "Added", "Taken back", "Calls", "There is"),
        [(line.profile, *(shown(sum_, money) for sum_ in _sums(line))) for line in found.credits],
        "No profile had any.",
        may_shrink=("Profile",),
    )
    print_many(
        "What came, went and was moved",
        ("When", "What", "About", "In", "Out", "Moved"),
        [
            (
                str(as_dict(m)["at"])[:16],
                m.kind,
                m.about,
                *(shown(sum_, money) if sum_ else "" for sum_ in (m.in_micros, m.out_micros, m.moved_micros)),
            )
            for m in found.movements
        ],
        "Nothing.",
        may_shrink=("About",),
    )


def _sums(line: reports.CreditLine) -> tuple[int, ...]:
    first = (line.opening_micros, line.added_micros, line.returned_micros)
    return (*first, line.calls_micros, line.closing_micros)


def _minutes(ms: int) -> str:
    return f"{ms // 60_000:,}"


def _counts(*figures: int | None) -> tuple[str, ...]:
    return tuple("-" if figure is None else f"{figure:,}" for figure in figures)
