"""`connector calls` and `connector cdr`: what goes on, what became of it, and why it cost what it did."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from connector.billing import calls, carriers, history, media, profiles, trials
from connector.billing.calls import LiveCall
from connector.billing.history import CdrView, Wanted
from connector.cli.completing import profile_names
from connector.cli.opening import open_store
from connector.cli.output import AsJson, as_dict, console, now, plain, print_json, print_list, print_many, print_one
from connector.cli.sip_options import hang_up_all
from connector.core.access import EVERYTHING
from connector.core.calls import Direction, Ending
from connector.core.money import decimal
from connector.core.paging import every
from connector.core.times import instant, iso
from connector.core.trunks import LEFT_OUT, POLICY_WORDS
from connector.errors import BadInput, NotFound
from connector.routing import emergency

app = typer.Typer()
cdr_app = typer.Typer(no_args_is_help=True)


@app.command("emergency")
def emergency_calls(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 100, as_json: AsJson = False
) -> None:
    """The calls to emergency numbers, and what became of them: they pass no gate, and are no CDRs."""
    open_store()
    found = emergency.listed(limit)
    print_list(
        found,
        as_json,
        "Emergency calls (times are UTC)",
        ("When", "Profile", "Dialled", "Went to", "Node"),
        lambda v: (iso(v.at) or "", v.profile or "-", v.dialled, v.outcome, v.node),
        "None.",
    )


@app.command()
def why(
    number: Annotated[str, typer.Argument(help="What a phone would dial.")],
    profile: Annotated[str, typer.Option(autocompletion=profile_names, help="Whose call it would be.")],
    at: Annotated[str | None, typer.Option(help="When: 2026-12-25T10:00, by the company's clock. Else now.")] = None,
    caller: Annotated[str, typer.Option(help="The number that the PBX would say. Else the profile's own.")] = "",
    as_json: AsJson = False,
) -> None:
    """Whether a call would be carried, and if not, every reason and what would cure it. Nobody is called."""
    open_store()
    found = trials.why(number, profile, now() if at is None else at, caller, with_costs=True)
    if as_json:
        print_json(as_dict(found))
        return
    if found.emergency:
        text = "It would go to the local emergency route: it needs no channel and no credit."
    elif found.carried:
        minute = decimal(found.price_per_minute_micros or 0)
        text = f"It would be carried: {found.rate}, {minute} {found.currency} a minute, by {', '.join(found.trunks)}."
    else:
        text = "It would be refused."
    title = f"A call to {found.called or found.number} at {iso(found.at)}, profile {found.profile}"
    console.print(plain(title), soft_wrap=True)
    console.print(plain(text), soft_wrap=True, style="green" if found.carried else "red")
    if len(found.trunks) > 1:
        console.print(plain(f"Trunks in this order: {POLICY_WORDS[found.policy]} ({found.policy})"), soft_wrap=True)
    for each in found.left_out:
        takes = "" if each.cost_per_minute_micros is None else f", it takes {decimal(each.cost_per_minute_micros)}"
        told = f"Not by {each.trunk}: {LEFT_OUT[each.why]} ({each.why}{takes})"
        console.print(plain(told), soft_wrap=True)
    for place, reason in enumerate(found.reasons):
        why_so = "Behind that" if place else "Why"
        console.print(plain(f"{why_so}: {reason.words} ({reason.code})"), soft_wrap=True)
        console.print(plain(f"  What cures it: {reason.cure}"), soft_wrap=True)


@app.command("calls")
def live(as_json: AsJson = False) -> None:
    """The calls that are up now."""
    open_store()
    found = calls.live()
    print_list(
        found,
        as_json,
        f"{len(found)} live calls (times are UTC)",
        ("Profile", "Way", "From", "To", "Trunk", "Started", "Answered", "ID"),
        _live_row,
        "No call is up.",
        may_shrink=("Trunk", "From", "Profile"),
    )


@app.command("hang-up")
def hang_up(call_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """End a call that is up on this node, by its ID or the beginning of it."""
    open_store()
    found = [call for call in calls.live() if call_id and call.id.startswith(call_id)]
    if len(found) != 1:
        many = f"{len(found)} calls are" if found else "no call is"
        raise NotFound("{many} up whose ID begins with {call_id!r}", many=many, call_id=call_id)
    hang_up_all(found)


@cdr_app.command("list")
def cdr_list(
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many, the newest first.")] = 50,
    profile: Annotated[str | None, typer.Option(autocompletion=profile_names, help="Of this profile.")] = None,
    direction: Annotated[str | None, typer.Option(help="in or out.")] = None,
    ending: Annotated[str | None, typer.Option(help=f"{', '.join(Ending)}.")] = None,
    refusal: Annotated[str | None, typer.Option(help="Refused for this reason: its code.")] = None,
    number: Annotated[str | None, typer.Option(help="From or to a number that begins so.")] = None,
    since: Annotated[str | None, typer.Option(help="2026-12-25T10:00, in UTC: ended then or later.")] = None,
    until: Annotated[str | None, typer.Option(help="Ended before then.")] = None,
    as_json: AsJson = False,
) -> None:
    """The newest calls, or the newest of a kind."""
    open_store()
    if direction not in (None, *Direction) or ending not in (None, *Ending):
        raise BadInput(
            "a direction is {direction}, an ending is {ending}",
            direction=" or ".join(Direction),
            ending=", ".join(Ending),
        )
    wanted = Wanted(
        profile=None if profile is None else profiles.show_profile(profile).username,
        direction=direction,
        ending=ending,
        refusal=refusal,
        number=number,
        since=None if since is None else instant(since, "UTC"),
        until=None if until is None else instant(until, "UTC"),
    )
    found = every(lambda turn: history.cdr_page(EVERYTHING, turn, wanted), "is", limit)
    if as_json:
        print_json([as_dict(cdr) for cdr in found])
        return
    print_cdrs(found)


@cdr_app.command("show")
def cdr_show(cdr_id: Annotated[str, typer.Argument(metavar="ID")], as_json: AsJson = False) -> None:
    """One call, with everything that is known of it, by its ID or the beginning of it."""
    open_store()
    print_one(as_dict(history.cdr(cdr_id)), as_json)


@cdr_app.command("media")
def cdr_media(cdr_id: Annotated[str, typer.Argument(metavar="ID")], as_json: AsJson = False) -> None:
    """How a call sounded: loss, jitter, the round-trip time, and the MOS of each leg."""
    open_store()
    found = media.of_call(cdr_id)
    if as_json:
        print_one(as_dict(found), as_json)
        return
    print_list(
        found.legs,
        as_json,
        f"MOS {found.mos / 100:.1f}",
        ("Leg", "Codec", "Loss", "Jitter", "Loss sent", "Jitter sent", "Round trip", "MOS"),
        lambda v: (
            v.side,
            v.codec,
            _in(media.loss(v.heard_packets, v.heard_lost), 100, "%"),
            _in(v.heard_jitter_us, 1000, "ms"),
            _in(media.loss(v.told_packets, v.told_lost), 100, "%"),
            _in(v.told_jitter_us, 1000, "ms"),
            _in(v.rtt_us, 1000, "ms"),
            f"{v.mos / 100:.1f}",
        ),
        "",
    )


def _in(value: int | None, parts: int, unit: str) -> str:
    return "-" if value is None else f"{value / parts:.1f} {unit}"


def print_cdrs(found: list[CdrView]) -> None:
    """CDRs as a table that fits a terminal of 80 columns; `cdr show` takes the ID as it stands here."""
    print_many(
        "Calls (times are UTC)",
        ("Ended", "Profile", "Way", "From", "To", "Talked s", "Price", "Ending", "ID"),
        [
            (
                (iso(c.ended_at) or "")[11:19],
                c.profile or "-",
                c.direction,
                (c.caller_id or c.button)[:14],
                (c.called or c.dialled)[:16],
                f"{c.duration_ms / 1000:.1f}",
                "-" if c.price_micros is None else decimal(c.price_micros),
                c.refusal or c.ending,
                c.id[:8],
            )
            for c in found
        ],
        "No call yet.",
        may_shrink=("From", "Profile", "To"),
    )


def _live_row(call: LiveCall) -> tuple[str, ...]:
    answered = (iso(call.answered_at) or "")[11:19] or "ringing"
    return (
        call.profile,
        call.direction,
        call.caller_id or call.button,
        call.called,
        call.trunk or "button",
        (iso(call.started_at) or "")[11:19],
        answered,
        call.id[:8],
    )


@cdr_app.command("routing")
def cdr_routing(cdr_id: Annotated[str, typer.Argument(metavar="ID")], as_json: AsJson = False) -> None:
    """Which trunks a call tried, in which order, and which were left out and why, as it was decided then."""
    open_store()
    found = carriers.routing_of(history.cdr(cdr_id).id)
    if as_json:
        print_json(as_dict(found))
        return
    console.print(plain(f"Order: {POLICY_WORDS[found.policy]} ({found.policy})"), soft_wrap=True)
    rows = [(str(place), name, "", _minute(takes)) for place, (name, takes) in enumerate(found.tries, 1)]
    rows += [("-", name, LEFT_OUT[why], _minute(takes)) for name, why, takes in found.left_out]
    print_many("Trunks", ("Place", "Trunk", "Left out", "Takes a minute"), rows, "None.", may_shrink=("Left out",))


def _minute(takes: int | None) -> str:
    return "not known" if takes is None else decimal(takes)


@cdr_app.command("explain")
def cdr_explain(cdr_id: Annotated[str, typer.Argument(metavar="ID")], as_json: AsJson = False) -> None:
    """Why a call cost what it did: rate, blocks, bundle, rounding, and every movement of money, worked out again."""
    open_store()
    found = as_dict(history.explain(cdr_id, with_costs=True))
    if as_json:
        print_json(found)
        return
    entries = found.pop("entries")
    print_one(found, as_json=False)
    table = Table(
        "Entry", "At", "What", "Account", "Gains", title="In the ledger (millionths of the currency, or seconds)"
    )
    for entry in entries:
        for account, amount in entry["postings"].items():
            table.add_row(str(entry["number"]), entry["at"], plain(entry["about"]), plain(account), str(amount))
    console.print(table)
