"""`connector profile`: SIP profiles, and what they may dial and spend."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from connector.billing import calls, limits, plans, profiles
from connector.cli import sip_options
from connector.cli.completing import Profile, profile_names
from connector.cli.opening import open_store, settings
from connector.cli.output import AsJson, as_dict, now, print_json, print_list, print_one
from connector.cli.sip_options import Password, add_state_commands, hang_up_all, with_sip_options
from connector.core import connect, numbering
from connector.core.admission import UsualLimits
from connector.core.formats import shown
from connector.core.money import amount
from connector.core.service_numbers import ServiceNumber
from connector.core.sip import Options
from connector.database.store import writing
from connector.errors import BadInput
from connector.routing import service_numbers

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def profile_list(as_json: AsJson = False) -> None:
    """All profiles."""
    open_store()
    found = profiles.list_profiles()
    print_list(
        found,
        as_json,
        "Profiles",
        ("Name", "Username", "Company", "Status", "Channels in use", "Numbers"),
        lambda p: (
            p.name,
            p.username,
            p.company,
            p.status,
            f"{p.channels_in_use} of {p.channels}",
            " ".join(p.numbers),
        ),
        "No profile yet: 'connector profile create NAME --channels 10' makes one.",
        may_shrink=("Name", "Company", "Numbers"),
    )


@app.command("show")
def profile_show(name: Profile, as_json: AsJson = False) -> None:
    """One profile, by its name or username."""
    open_store()
    print_one(as_dict(profiles.show_profile(name)), as_json)


@app.command("create")
@with_sip_options
def profile_create(
    name: str,
    said: dict[str, Any],
    role: Annotated[str, typer.Option(help="server: a PBX signs in to us; client: this is the PBX.")] = "server",
    auth: Annotated[str, typer.Option(help="registration, or ip: known by address and UDP port.")] = "registration",
    address: Annotated[str | None, typer.Option(help="Where the PBX calls from; of a client, its provider.")] = None,
    port: Annotated[int | None, typer.Option(help="And its port, if it is not the usual one.")] = None,
    username: Annotated[str | None, typer.Option(help="Of a client: the user name at the provider.")] = None,
    realm: Annotated[str, typer.Option(help="Of a client: the provider's realm, if you know it.")] = "",
    password_file: Password = None,
    channels: Annotated[int, typer.Option(help="Simultaneous calls, 1 to 300; 0 for none yet.")] = 0,
    country: Annotated[str | None, typer.Option(help="Whose numbers its phones dial: two letters, like GB.")] = None,
    company: Annotated[str | None, typer.Option(help="Whose it is, if there are several companies.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a profile. A password that we make is shown now, and never again."""
    if role not in ("server", "client") or auth not in ("registration", "ip"):
        raise BadInput("a role is server or client; --auth is registration or ip")
    if address is None and (role == "client" or auth == "ip"):
        raise BadInput("say where it is: --address and --port")
    if username is not None and (role == "server" or auth == "ip"):
        raise BadInput("a user name is a client's, who registers with a provider by it")
    if role == "server" and auth == "registration" and address is not None:
        raise BadInput("a PBX that registers may be anywhere: --address is for --auth ip")
    if role == "client":
        sign_in = None
        if auth == "registration":
            if username is None:
                raise BadInput("say by which --username the provider knows us")
            sign_in = sip_options.sign_in(username, password_file, realm)
            said = {"caller_id": "pai", **said}
        open_store()
        made = profiles.create_client(
            name,
            channels,
            (address or "", sip_options.port_or_usual(port, said)),
            now(),
            company,
            sign_in=sign_in,
            options=Options(**said),
            country=country,
        )
        print_one(as_dict(profiles.show_profile(made)), as_json)
        return
    open_store()
    at = (address, sip_options.port_or_usual(port, said)) if auth == "ip" and address else None
    with writing():
        issued = profiles.create_profile(
            name, channels, settings().sip.realm, now(), company, at=at, options=Options(**said), country=country
        )
        usual = settings().calls
        limits.begin(issued.username, UsualLimits.of(usual.new_profile_per_day, usual.new_profile_calls_per_second))
    _print_issued(issued, as_json)


@app.command("rotate")
def profile_rotate(
    name: Profile,
    overlap_hours: Annotated[int, typer.Option(help="How long the old password is good too.")] = 24,
    as_json: AsJson = False,
) -> None:
    """Make a new password, which is shown now, and never again."""
    open_store()
    _print_issued(profiles.rotate(name, now(), overlap_hours * 3_600_000), as_json)


@app.command("rename")
def profile_rename(name: Profile, new_name: str, as_json: AsJson = False) -> None:
    """Call it something else; its user name and its password stay."""
    open_store()
    print_one(as_dict(profiles.rename(name, new_name)), as_json)


@app.command("change")
@with_sip_options
def profile_change(
    name: Profile,
    said: dict[str, Any],
    address: Annotated[str | None, typer.Option(help="Where its PBX calls from.")] = None,
    port: Annotated[int | None, typer.Option(help="And its UDP port.")] = None,
    country: Annotated[str | None, typer.Option(help="Whose numbers its phones dial; 'none': any in full.")] = None,
    emergency: Annotated[
        str | None, typer.Option(help="Its emergency numbers: '112, 999'; 'country': its country's.")
    ] = None,
    billing_address: Annotated[str | None, typer.Option(help="Where its bills go; '' for nowhere.")] = None,
    contact: Annotated[str | None, typer.Option(help="Who is to be asked about it; '' for nobody.")] = None,
    as_json: AsJson = False,
) -> None:
    """Change how its PBX speaks SIP, or whose it is; what is not said stays. A client's: 'connector trunk change'."""
    open_store()
    if country not in (None, "none"):
        numbering.checked_country(country or "")
    if emergency not in (None, "country"):
        numbering.checked_emergency(emergency or "")
    others = (country, emergency, billing_address, contact)
    with writing():  # all of it or nothing
        if country is not None:
            changed = profiles.set_country(name, None if country == "none" else country)
        if emergency is not None:
            changed = profiles.set_emergency(name, "" if emergency == "country" else emergency)
        if billing_address is not None or contact is not None:
            changed = profiles.set_contact(name, billing_address, contact)
        if others == (None,) * 4 or said or address or port:
            changed = profiles.change(name, at=(address, port), options=said)
    print_one(as_dict(changed), as_json)


@app.command("caller-id")
def profile_caller_id(
    name: Profile,
    policy: Annotated[str | None, typer.Option(help="none; fixed: always the number; pass: what the PBX says.")] = None,
    number: Annotated[str | None, typer.Option(help="The main number; '' for the first that it has.")] = None,
    foreign: Annotated[str | None, typer.Option(help="Others' numbers: replace, or refuse the call.")] = None,
    withhold_prefixes: Annotated[
        str | None,
        typer.Option(help="Dialled before a number so that this call shows none: '*67 141 #31#'; '' for none."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What its calls out show: only numbers that the company has or has verified. With options, changes it."""
    open_store()
    shown = profiles.set_caller_id(name, policy, number, foreign, withhold_prefixes)
    print_one({"profile": shown.name, "numbers": shown.numbers, **asdict(shown.caller_id)}, as_json)


@app.command("connect")
def profile_connect(
    name: Profile,
    form: Annotated[str, typer.Option("--for", help="asterisk, freepbx or generic.")] = "generic",
    as_json: AsJson = False,
) -> None:
    """The data that its PBX needs to connect, ready to paste."""
    if form not in ("asterisk", "freepbx", "generic"):
        raise BadInput("the page is for asterisk, freepbx or generic")
    open_store()
    found = profiles.show_profile(name)
    if found.role == "client":
        text = connect.own_dialplan(found.username, found.options.context, freepbx=form == "freepbx")
        print_json({"dialplan": text}) if as_json else sys.stdout.write(text)
        return
    page = profiles.connection(found, settings().sip)
    if form == "asterisk":
        text = connect.asterisk(page)
        print_json({"pjsip": text}) if as_json else sys.stdout.write(text)
        return
    print_one(dict(connect.freepbx(page) if form == "freepbx" else connect.table(page)), as_json)


add_state_commands(
    app, profiles.set_state, "No new calls, but for emergencies; calls that are up go on.", profile_names
)


@app.command("hang-up")
def profile_hang_up(name: Profile) -> None:
    """End every call of the profile, on this node."""
    open_store()
    wanted = profiles.show_profile(name).username
    hang_up_all([call for call in calls.live() if call.username == wanted])


@app.command("delete")
def profile_delete(
    name: Profile,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete a profile: its credit goes back to the company, its numbers to the pool; its calls stay in the records."""
    open_store()
    if not yes:
        typer.confirm(
            f"Delete {name}? Its free credit and its numbers go back to the company, the rest of its subscription"
            " is not paid back. Export its calls first if you want them at hand ('connector cdr list --json')",
            abort=True,
        )
    print_one(as_dict(plans.delete_profile(name, now())), as_json)


@app.command("limits")
def profile_limits(
    name: Profile,
    price_per_minute: Annotated[str | None, typer.Option(help="Highest price per minute; 'none' for no limit.")] = None,
    per_call: Annotated[str | None, typer.Option(help="Most for one call.")] = None,
    per_day: Annotated[str | None, typer.Option(help="Most in any 24 hours.")] = None,
    per_month: Annotated[str | None, typer.Option(help="Most in a calendar month.")] = None,
    calls_per_second: Annotated[str | None, typer.Option(help="Most new calls in a second.")] = None,
    attempts_per_number: Annotated[str | None, typer.Option(help="Most calls to one number in an hour.")] = None,
    company_balance: Annotated[
        bool | None, typer.Option(help="Whether US calls beyond the bundles may be paid by the company.")
    ] = None,
    allow: Annotated[list[str] | None, typer.Option(help="A prefix that may be dialled.")] = None,
    block: Annotated[list[str] | None, typer.Option(help="A prefix that may not; '+' is all of them.")] = None,
    forget: Annotated[list[str] | None, typer.Option(help="Take the rule for a prefix away.")] = None,
    as_json: AsJson = False,
) -> None:
    """What a profile may dial and spend; with options, changes it. The longest prefix for a number decides."""
    open_store()
    sums = {
        "price_per_minute_micros": _sum(price_per_minute, "the price per minute"),
        "call_micros": _sum(per_call, "the most for a call"),
        "day_micros": _sum(per_day, "the most for a day"),
        "month_micros": _sum(per_month, "the most for a month"),
        "calls_per_second": _count(calls_per_second),
        "attempts_per_number": _count(attempts_per_number),
    }
    if company_balance is not None:
        sums["uses_company_balance"] = (company_balance,)
    rules = [(prefix, allowed) for prefixes, allowed in ((allow, True), (block, False)) for prefix in prefixes or ()]
    changes = {column: value[0] for column, value in sums.items() if value}
    if changes or rules or forget:
        limits.change(name, changes, rules, forget or [])
    print_one(as_dict(limits.show(name)), as_json)


@app.command("service-numbers")
def profile_service_numbers(
    name: Profile,
    allow: Annotated[str | None, typer.Option(help="A short number that it may call, like 101.")] = None,
    title: Annotated[str, typer.Option(help="What is called there, like Police.")] = "",
    fee: Annotated[str, typer.Option(help="Price of a call that is answered.")] = "0",
    per_minute: Annotated[str, typer.Option(help="Price per minute; they are billed by the second.")] = "0",
    forget: Annotated[list[str] | None, typer.Option(help="Take a short number away.")] = None,
    as_json: AsJson = False,
) -> None:
    """The short service numbers that a profile may call, and their prices; with options, changes them.

    Emergency numbers are not among them: those need no credit.
    """
    open_store()
    new = []
    if allow is not None:
        prices = amount(per_minute, "the price per minute", zero=True), amount(fee, "the fee", zero=True)
        new.append(ServiceNumber(allow, title, *prices))
    found = service_numbers.change(name, new, forget or []) if new or forget else service_numbers.show(name)
    print_list(
        found.numbers,
        as_json,
        f"Service numbers of {found.profile}",
        ("number", "title", "fee", "per minute"),
        lambda each: (
            each.digits,
            each.name,
            shown(each.connection_fee_micros, found.currency),
            shown(each.price_per_minute_micros, found.currency),
        ),
        "none: short numbers are refused",
    )


def _print_issued(issued: profiles.Credentials, as_json: bool) -> None:
    shown = {**as_dict(profiles.show_profile(issued.username)), "realm": issued.realm}
    if issued.password:
        shown["password"] = issued.password
    print_one(shown, as_json)


def _sum(text: str | None, what: str) -> tuple[int | None] | None:
    """None if nothing was said, a None within if `none` was."""
    if text is None:
        return None
    return (None,) if text == "none" else (amount(text, what, zero=True),)


def _count(text: str | None) -> tuple[int | None] | None:
    if text is None:
        return None
    return (None,) if text == "none" else (limits.count(text),)
