"""`connector numbers`: how numbers are read, which can be bought, where each is and what it costs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from connector.billing import numbers
from connector.cli import output
from connector.cli.completing import Profile, profile_names
from connector.cli.opening import open_store
from connector.cli.output import AsJson, Company, as_dict, console, now, plain, print_list, print_one, read_file
from connector.core import numbering
from connector.core.formats import shown
from connector.core.numbers import normalise
from connector.core.times import iso
from connector.errors import BadInput

app = typer.Typer(no_args_is_help=True)

MOST_BYTES = 20_000_000
Country = Annotated[str | None, typer.Option(help="Two letters, like GB.")]
Area = Annotated[str | None, typer.Option(help="The area code, without its 0.")]
AttachedTo = Annotated[
    str | None, typer.Option("--profile", autocompletion=profile_names, help="The profile that it is attached to.")
]


@app.command("normalise", context_settings=output.NUMBERS)
def numbers_normalise(dialled: str, country: Country = None, as_json: AsJson = False) -> None:
    """What becomes of something dialled: its E.164 form, an emergency number, or why it is refused."""
    if country is not None:
        numbering.checked_country(country)
    print_one({"dialled": dialled, "country": country, **asdict(normalise(dialled, country))}, as_json)


@app.command("import")
def numbers_import(
    file: Path,
    currency: Annotated[str | None, typer.Option(help="Of rows that say none; else the company's.")] = None,
    answer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="An answer to a question about the list, such as column.monthly_fee=MRC or decimal_mark=comma."
            " May be repeated.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take numbers for sale from a list (CSV or XLSX, in any layout): all or none.

    It needs a column of numbers and one of monthly fees; countries, area codes and currencies are used where they are.
    """
    open_store()
    text = read_file(file, MOST_BYTES)
    with console.status(f"reading {file.name}"):
        done = numbers.import_stock(text, now(), currency, output.read_answers(answer or []))
    print_one(asdict(done), as_json)


@app.command("for-sale")
def numbers_for_sale(
    country: Country = None,
    area: Area = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    as_json: AsJson = False,
) -> None:
    """Numbers that can be bought, and what each costs for 30 days."""
    open_store()
    found = numbers.for_sale(country, area, limit)
    print_list(
        found,
        as_json,
        "Numbers for sale",
        ("Number", "Country", "Area", "A month"),
        lambda v: (v.number, v.country, v.area, shown(v.fee_micros, v.currency)),
        "No number is for sale: 'connector numbers import FILE' brings some.",
    )


@app.command("buy", context_settings=output.NUMBERS)
def numbers_buy(
    number: Annotated[str | None, typer.Argument(help="Which; else the first of --country and --area.")] = None,
    period: Annotated[int, typer.Option(help="Paid for 1, 3 or 12 terms of 30 days at once.")] = 1,
    country: Country = None,
    area: Area = None,
    profile: AttachedTo = None,
    company: Company = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be charged, and until when.")] = False,
    as_json: AsJson = False,
) -> None:
    """Buy a number; the company's balance pays, and it renews by itself."""
    if number is None and country is None:
        raise BadInput("say which number, or of which --country")
    open_store()
    bought = numbers.buy(
        number, period, now(), profile=profile, company=company, country=country, area=area, dry_run=dry_run
    )
    print_one(as_dict(bought), as_json)


@app.command("add", context_settings=output.NUMBERS)
def numbers_add(number: str, profile: AttachedTo = None, company: Company = None, as_json: AsJson = False) -> None:
    """A number that the company has by itself: ported, or of a client's provider. It costs nothing here."""
    open_store()
    print_one(as_dict(numbers.add(number, profile, now(), company)), as_json)


@app.command("attach", context_settings=output.NUMBERS)
def numbers_attach(number: str, profile: Profile, as_json: AsJson = False) -> None:
    """Have its calls go to a profile, from wherever it was."""
    open_store()
    print_one(as_dict(numbers.attach(number, profile)), as_json)


@app.command("detach", context_settings=output.NUMBERS)
def numbers_detach(number: str, as_json: AsJson = False) -> None:
    """Its calls go to nobody; it stays the company's."""
    open_store()
    print_one(as_dict(numbers.attach(number, None)), as_json)


@app.command("release", context_settings=output.NUMBERS)
def numbers_release(
    number: str,
    at_once: Annotated[bool, typer.Option("--now", help="Not when what is paid is over, but now.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give a number back when what is paid is over. Nothing is paid back."""
    open_store()
    if not yes:
        typer.confirm(f"Give {number} back{' now' if at_once else ''}? Somebody else may buy it then", abort=True)
    print_one(as_dict(numbers.release(number, now(), at_once=at_once)), as_json)


@app.command("keep", context_settings=output.NUMBERS)
def numbers_keep(number: str, as_json: AsJson = False) -> None:
    """Renew a number after all, that was to be given back when what is paid is over."""
    open_store()
    print_one(as_dict(numbers.keep(number)), as_json)


@app.command("list")
def numbers_list(company: Company = None, as_json: AsJson = False) -> None:
    """Every number: where it is, where it rings, what it costs and until when it is paid."""
    open_store()
    found = numbers.list_numbers(company)
    print_list(
        found,
        as_json,
        "Numbers (times are UTC)",
        ("Number", "Company", "Profile", "Route", "A month", "Paid until"),
        lambda v: (
            v.number,
            v.company,
            v.profile or "-",
            v.route.replace("\n", "; "),
            shown(v.fee_micros, v.currency) if v.periods else "-",
            (iso(v.paid_until) or "-")[:16] + ("" if v.renews or not v.periods else " (ends)"),
        ),
        "No number yet: 'connector numbers buy' or 'numbers add'.",
        may_shrink=("Route", "Company", "Profile"),
    )


@app.command("verify", context_settings=output.NUMBERS)
def numbers_verify(
    number: str,
    evidence: Annotated[str, typer.Option(help="How you know that it is theirs.")],
    company: Company = None,
    as_json: AsJson = False,
) -> None:
    """Let a company show a number that it has elsewhere."""
    open_store()
    print_one(as_dict(numbers.verify(number, evidence, now(), company)), as_json)


@app.command("forget", context_settings=output.NUMBERS)
def numbers_forget(number: str, company: Company = None) -> None:
    """The company may no longer show a verified number."""
    open_store()
    numbers.forget_verified(number, company)
    console.print(plain(f"{number} is shown no longer"))


@app.command("verified")
def numbers_verified(company: Company = None, as_json: AsJson = False) -> None:
    """The numbers that companies may show beside their own, and why."""
    open_store()
    found = numbers.verified(company)
    print_list(
        found,
        as_json,
        "Verified numbers",
        ("Number", "Company", "Evidence", "When"),
        lambda v: (v.number, v.company, v.evidence, (iso(v.verified_at) or "")[:16]),
        "None.",
        may_shrink=("Evidence",),
    )
