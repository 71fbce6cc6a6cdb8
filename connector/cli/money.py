"""`connector company`, `credit` and `ledger`: who has how much, how it moves, and whether it adds up."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from connector.billing import credit, ledger, payments, plans, profiles, recharges
from connector.cli import output
from connector.cli.completing import Profile
from connector.cli.opening import open_store
from connector.cli.output import AsJson, Company, Key, as_dict, console, key_or_new, now, plain
from connector.core.formats import shown
from connector.core.money import amount
from connector.core.paging import every
from connector.core.times import iso
from connector.errors import BadInput
from connector.notices import notices

company_app = typer.Typer(no_args_is_help=True)
credit_app = typer.Typer(no_args_is_help=True)
ledger_app = typer.Typer(no_args_is_help=True)


@company_app.command("create")
def company_create(
    name: str,
    currency: Annotated[str, typer.Option(help="ISO 4217, as in GBP.")],
    time_zone: Annotated[str, typer.Option(help="As in Europe/London: whose calendar days are counted.")],
    as_json: AsJson = False,
) -> None:
    """Make a company."""
    open_store()
    profiles.create_company(name, currency, time_zone, now())
    output.print_one(as_dict(credit.balance(name)), as_json)


@company_app.command("list")
def company_list(as_json: AsJson = False) -> None:
    """All companies."""
    open_store()
    output.print_list(
        profiles.company_views(),
        as_json,
        "Companies",
        ("ID", "Name", "Currency", "Time zone"),
        lambda view: (str(view.id), view.name, view.currency, view.time_zone),
        "There is no company yet. Create one: connector company create NAME --currency GBP --time-zone Europe/London",
        may_shrink=("Name",),
    )


@company_app.command("show")
def company_show(company: Company = None, as_json: AsJson = False) -> None:
    """What a company has, and what it pays for channels and bundles."""
    open_store()
    found = {**as_dict(credit.balance(company)), **as_dict(plans.prices(company))}
    output.print_one({**found, "notices": [view.text for view in notices.newest(5, company)]}, as_json)


@company_app.command("topup", context_settings=output.NUMBERS)
def company_topup(
    sum_: Annotated[str, typer.Argument(metavar="AMOUNT")],
    company: Company = None,
    reference: Annotated[str, typer.Option(help="The payment reference that came with it: RF...")] = "",
    received_on: Annotated[str, typer.Option(metavar="DAY", help="The day of the payment: 2026-11-30.")] = "",
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Record a payment: money comes in from outside."""
    micros, word = amount(sum_), key_or_new(key)
    open_store()
    made = credit.top_up(micros, word, now(), company, reference=reference, received_on=received_on)
    output.print_one(as_dict(made), as_json)


@company_app.command("payments")
def company_payments(company: Company = None, as_json: AsJson = False) -> None:
    """The payments of a company, newest first: those on their way too."""
    open_store()
    output.print_list(
        every(lambda wanted: payments.page_of(company, wanted), "i"),
        as_json,
        "Payments",
        ("ID", "Noted", "Amount", "State", "Taken back", "By", "Number there"),
        lambda each: (
            str(each.id),
            iso(each.noted_at) or "",
            shown(each.amount_micros, each.currency),
            each.state,
            _taken_back(each),
            each.provider,
            each.number,
        ),
        "No payment yet: 'connector company topup AMOUNT' records one.",
        may_shrink=("Number there",),
    )


def _taken_back(each: payments.PaymentView) -> str:
    done, owed = (shown(micros, each.currency) for micros in (each.taken_back_micros, each.owed_micros))
    return f"{done}, {owed} owed" if each.owed_micros else done if each.taken_back_micros else ""


@company_app.command("reverse", context_settings=output.NUMBERS)
def company_reverse(
    payment: Annotated[int, typer.Argument(metavar="ID", min=1, max=output.MOST_ID, help="Of 'company payments'.")],
    why: Annotated[str, typer.Option(help="Why it is taken back.")],
    sum_: Annotated[str | None, typer.Argument(metavar="AMOUNT", help="A part of it; else all that is left.")] = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Take back a payment. What the balance does not have is owed, and is taken from the next money that comes in."""
    micros, word = None if sum_ is None else amount(sum_), key_or_new(key)
    open_store()
    output.print_one(as_dict(payments.reverse(payment, micros, why, word, now())), as_json)


@company_app.command("auto-recharge")
def company_auto_recharge(
    company: Company = None,
    amount_: Annotated[str | None, typer.Option("--amount", help="How much is charged, each time.")] = None,
    threshold: Annotated[str | None, typer.Option(help="It is charged when the balance falls below this.")] = None,
    monthly_limit: Annotated[str | None, typer.Option(help="Never more than this in a calendar month.")] = None,
    off: Annotated[bool, typer.Option("--off", help="No more charges; the card is forgotten.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Charge the card again that was refused.")] = False,
    as_json: AsJson = False,
) -> None:
    """Whether a company's card is charged when its balance is low; with options, changes it. The card itself is given
    on the page Auto-recharge by card.
    """
    texts = {"--amount": amount_, "--threshold": threshold, "--monthly-limit": monthly_limit}
    given = [text for text in texts.values() if text is not None]
    if sum((bool(given), off, resume)) > 1:
        raise BadInput("say --off, --resume, or the sums")
    if given and len(given) < len(texts):
        raise BadInput("a recharge needs {names}", names=", ".join(texts))
    micros = [amount(text, name) for name, text in texts.items() if text is not None]
    open_store()
    found = (
        recharges.set_up(company, micros[0], micros[1], micros[2], now())
        if given
        else recharges.stop(company, now())
        if off
        else recharges.resume(company, now())
        if resume
        else recharges.show(company, now())
    )
    output.print_one(as_dict(found), as_json)


@company_app.command("prices")
def company_prices(
    channel: Annotated[str | None, typer.Option(help="A channel for a term of 30 days.")] = None,
    bundle: Annotated[str | None, typer.Option(help="5,000 US minutes for a term.")] = None,
    company: Company = None,
    as_json: AsJson = False,
) -> None:
    """What a company pays for terms that begin from now on; with options, changes it."""
    sums = [None if text is None else amount(text, "the price", zero=True) for text in (channel, bundle)]
    open_store()
    found = plans.prices(company) if sums == [None, None] else plans.set_prices(sums[0], sums[1], company)
    output.print_one(as_dict(found), as_json)


@credit_app.command("show")
def credit_show(profile: Profile, as_json: AsJson = False) -> None:
    """What a profile has."""
    open_store()
    output.print_one(as_dict(credit.credit(profile, now())), as_json)


@credit_app.command("add", context_settings=output.NUMBERS)
def credit_add(
    profile: Profile, sum_: Annotated[str, typer.Argument(metavar="AMOUNT")], key: Key = None, as_json: AsJson = False
) -> None:
    """Move money from the company's balance to a profile's credit."""
    micros, word = amount(sum_), key_or_new(key)
    open_store()
    output.print_one(as_dict(credit.add(profile, micros, word, now())), as_json)


@credit_app.command("take-back", context_settings=output.NUMBERS)
def credit_take_back(
    profile: Profile, sum_: Annotated[str, typer.Argument(metavar="AMOUNT")], key: Key = None, as_json: AsJson = False
) -> None:
    """Move free credit back to the company's balance; what calls hold stays."""
    micros, word = amount(sum_), key_or_new(key)
    open_store()
    output.print_one(as_dict(credit.take_back(profile, micros, word, now())), as_json)


@credit_app.command("auto-recharge")
def credit_auto_recharge(
    profile: Profile,
    amount_: Annotated[str | None, typer.Option("--amount", help="How much comes, each time.")] = None,
    threshold: Annotated[str | None, typer.Option(help="It comes when the free credit falls below this.")] = None,
    monthly_limit: Annotated[str | None, typer.Option(help="Never more than this in a calendar month.")] = None,
    off: Annotated[bool, typer.Option("--off", help="No more recharges.")] = False,
    as_json: AsJson = False,
) -> None:
    """Recharge a profile from its company whenever its free credit falls below a threshold."""
    if off == (amount_ is not None or threshold is not None or monthly_limit is not None):
        raise BadInput("say --amount and --threshold (and --monthly-limit if there is one), or --off")
    if not off and (amount_ is None or threshold is None):
        raise BadInput("a recharge needs both --amount and --threshold")
    sums = [
        amount(text, what) if text is not None else None
        for text, what in ((amount_, "the amount"), (threshold, "the threshold"), (monthly_limit, "the monthly limit"))
    ]
    open_store()
    found = (
        credit.stop_recharge(profile, now())
        if off
        else credit.set_recharge(profile, sums[0] or 0, sums[1] or 0, sums[2], now())
    )
    output.print_one(as_dict(found), as_json)


@ledger_app.command("verify")
def ledger_verify(as_json: AsJson = False) -> None:
    """Add everything up from the first posting and compare, to the last unit. Exit status 1 if anything is wrong."""
    open_store()
    report = ledger.verify()
    if as_json:
        output.print_json({"ok": report.ok, **as_dict(report)})
    else:
        for problem in report.problems:
            console.print(plain(problem), style="red", soft_wrap=True)
        sign = "[green]it adds up[/green]" if report.ok else "[red]it does not add up[/red]"
        console.print(f"{report.entries} entries, {report.postings} postings, {report.accounts} accounts: {sign}")
        for company, head in report.heads.items():
            console.print(plain(f"{company}: the last hash is {head}"), soft_wrap=True)
    if not report.ok:
        raise typer.Exit(1)


@ledger_app.command("balances")
def ledger_balances(company: Company = None, as_json: AsJson = False) -> None:
    """Every account and its balance, in millionths of the currency, or seconds."""
    open_store()
    found = ledger.accounts(company, with_costs=True)
    if as_json:
        output.print_json(found)
        return
    rows = [(name, str(balance)) for name, balance in found.items()]
    output.print_many("Accounts", ("Account", "Balance"), rows, "Nothing was entered yet.")


@ledger_app.command("entries")
def ledger_entries(
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many, the newest first.")] = 20,
    company: Company = None,
    as_json: AsJson = False,
) -> None:
    """The newest entries with their postings."""
    open_store()
    found = ledger.entries(limit, company)
    if as_json:
        output.print_json([as_dict(entry) for entry in found])
        return
    table = Table("No", "At", "Kind", "About", "Account", "Gains", title="Entries (times are UTC)")
    for entry in found:
        for account, gains in entry.postings.items():
            cells = (str(entry.number), iso(entry.at) or "", entry.kind, entry.about, account, str(gains))
            table.add_row(*(plain(cell) for cell in cells))
    console.print(table)


@ledger_app.command("close")
def ledger_close(as_json: AsJson = False) -> None:
    """Close every month that is over, and show all closed months. The running connector does it by itself."""
    open_store()
    ledger.close_months(now())
    found = ledger.closings()
    output.print_list(
        found,
        as_json,
        "Closed months",
        ("Company", "Month", "Last entry", "Its hash"),
        lambda view: (view.company, view.month, str(view.last_number), view.last_hash[:16]),
        "No month is over yet.",
    )
