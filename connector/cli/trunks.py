"""`connector trunk`: the ways to carriers and providers; `connector trunks`: how they and the PBXs are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from connector.billing import calls, carriers, profiles
from connector.cli import sip_options
from connector.cli.completing import Trunk, profile_names, trunk_names
from connector.cli.opening import open_store
from connector.cli.output import AsJson, Company, as_dict, now, print_json, print_list, print_many, print_one
from connector.cli.sip_options import Password, add_state_commands, hang_up_all, with_sip_options
from connector.core.sip import FAILOVER, Options
from connector.core.times import iso
from connector.core.trunks import POLICIES, endpoint_of
from connector.errors import BadInput, NotFound
from connector.routing import reachability, trunks
from connector.routing.trunks import SignIn

status_app = typer.Typer()
app = typer.Typer(no_args_is_help=True)
Address = Annotated[str | None, typer.Option(help="The host name or IPv4 address over there.")]
Port = Annotated[int | None, typer.Option(help="Its port.")]
Username = Annotated[str | None, typer.Option(help="Register there by this name; else our address is known there.")]
Realm = Annotated[
    str | None, typer.Option(help="The realm over there, if you know it: Asterisk gets no password then. '': unknown.")
]
Place = Annotated[int | None, typer.Option(help="The lowest is tried first.")]
Share = Annotated[int | None, typer.Option(help="Those of one place have calls by their shares.")]
Failover = Annotated[str | None, typer.Option(help="SIP answers after which the next trunk is tried: '408 503'.")]


@status_app.command("trunks")
def status(
    name: Annotated[str | None, typer.Argument(help="A trunk or a profile: its history.")] = None,
    as_json: AsJson = False,
) -> None:
    """How every trunk and PBX is: whether it can be reached, since when, the last SIP answer, and why."""
    open_store()
    if name is not None:
        found = reachability.history(_endpoint(name))
        if as_json:
            print_json([as_dict(view) for view in found])
            return
        print_many(
            f"What became of {name} (times are UTC)",
            ("When", "Node", "", "SIP", "Why"),
            [(iso(v.at) or "", v.node, v.state, str(v.sip_status or "-"), v.words) for v in found],
            "Nothing was seen of it yet: the connector looks while it runs.",
            may_shrink=("Why",),
        )
        return
    rows = list(_status())
    if as_json:
        print_json(rows)
        return
    print_many(
        "Trunks and PBXs (times are UTC)",
        ("Name", "What", "State", "Reached", "Since", "SIP", "Calls", "Why"),
        [
            (
                row["name"],
                row["kind"],
                row["state"],
                row["reached"],
                row["since"] or "-",
                str(row["sip_status"] or "-"),
                str(row["calls"]),
                row["reason"],
            )
            for row in rows
        ],
        "No trunk and no profile yet.",
        may_shrink=("Why", "Since", "Name"),
    )


@app.command("order")
def trunk_order(
    policy: Annotated[
        str | None,
        typer.Argument(help=f"{', '.join(POLICIES)}; 'usual' takes away what was set. Nothing: show what is set."),
    ] = None,
    profile: Annotated[
        str | None, typer.Option(autocompletion=profile_names, help="Of this profile's calls only.")
    ] = None,
    company: Company = None,
    as_json: AsJson = False,
) -> None:
    """In which order calls try trunks: fixed, by place and share; cost, by what a call of a minute costs, the lowest
    first; share, by share alone. A profile's own counts before its company's.
    """
    open_store()
    if policy is not None:
        carriers.set_policy("" if policy == "usual" else policy, company, profile)
    print_list(
        carriers.list_policies(company),
        as_json,
        "In which order calls try trunks",
        ("Company", "Profile", "Order"),
        lambda view: (view.company, view.profile or "all", view.policy),
        "As usual: by place, and within a place by share.",
        may_shrink=("Company", "Profile"),
    )


def _status() -> Iterator[dict[str, Any]]:
    """A row for each trunk, each PBX, and each node that saw it."""
    seen: dict[str, list[reachability.ReachView]] = {}
    for view in reachability.latest():
        seen.setdefault(view.endpoint, []).append(view)
    live = calls.live()
    ends = [
        (t.profile or t.name, "provider" if t.profile else "carrier", t.state, endpoint_of(t.name), t.name)
        for t in trunks.list_trunks()
    ]
    ends += [(p.name, "PBX", p.state, p.username, p.username) for p in profiles.list_profiles() if p.role == "server"]
    for name, kind, state, endpoint, whose in ends:
        busy = sum(1 for call in live if whose in (call.trunk, call.username))
        views: list[reachability.ReachView | None] = [*seen.get(endpoint, [])]
        for last in views or [None]:
            reached, reason = (last.state, last.words) if last else ("unknown", "nothing was seen of it yet")
            if state == "suspended":
                reached, reason = "unknown", "suspended"
            yield {
                "name": name,
                "kind": kind,
                "state": state,
                "endpoint": endpoint,
                "node": last.node if last else None,
                "reached": reached,
                "since": iso(last.at) if last else None,
                "sip_status": last.sip_status if last else None,
                "reason": reason,
                "calls": busy,
            }


def _endpoint(name: Trunk) -> str:
    try:
        return endpoint_of(trunks.show_trunk(name).name)
    except NotFound:
        return profiles.show_profile(name).username


@app.command("list")
def trunk_list(as_json: AsJson = False) -> None:
    """All trunks, in the order in which calls try them."""
    open_store()
    found = trunks.list_trunks()
    print_list(
        found,
        as_json,
        "Trunks",
        ("Name", "Of", "Company", "By", "Address", "State", "Place", "Share"),
        lambda t: (
            t.name,
            t.profile or "-",
            t.company,
            t.auth,
            f"{t.host}:{t.port}",
            t.state,
            str(t.place),
            str(t.share),
        ),
        "No trunk yet: 'connector trunk create NAME --address HOST' makes one.",
        may_shrink=("Company", "Of", "Name"),
    )


@app.command("show")
def trunk_show(name: Trunk, as_json: AsJson = False) -> None:
    """One trunk; a client profile's by the profile's name."""
    open_store()
    print_one(as_dict(trunks.show_trunk(name)), as_json)


@app.command("create")
@with_sip_options
def trunk_create(
    name: str,
    said: dict[str, Any],
    address: Address = None,
    port: Port = None,
    username: Username = None,
    realm: Realm = None,
    password_file: Password = None,
    place: Place = 1,
    share: Share = 1,
    failover: Failover = FAILOVER,
    company: Company = None,
    as_json: AsJson = False,
) -> None:
    """Make a trunk to a carrier: known by its address and port, or, with a user name, registered with."""
    if address is None:
        raise BadInput("say where the carrier is: --address, and --port if it is not the usual one")
    signs_in = _sign_in(username, password_file, realm)
    open_store()
    trunks.create_trunk(
        name,
        address,
        sip_options.port_or_usual(port, said),
        now(),
        company,
        sign_in=signs_in,
        options=Options(**said),
        place=1 if place is None else place,
        share=1 if share is None else share,
        failover=failover or "",
    )
    print_one(as_dict(trunks.show_trunk(name)), as_json)


@app.command("change")
@with_sip_options
def trunk_change(
    name: Trunk,
    said: dict[str, Any],
    address: Address = None,
    port: Port = None,
    username: Username = None,
    realm: Realm = None,
    password_file: Password = None,
    place: Place = None,
    share: Share = None,
    failover: Failover = None,
    as_json: AsJson = False,
) -> None:
    """Change a trunk; what is not said stays. A client profile's is named by the profile."""
    open_store()
    if username is None and password_file is not None:
        username = trunks.show_trunk(name).username
    if username is None and realm:
        raise BadInput("a realm goes with the password that it is for: say --password-file too")
    view = trunks.change(
        name,
        host=address,
        port=port,
        sign_in=_sign_in(username, password_file, realm),
        options=said,
        place=place,
        share=share,
        failover=failover,
    )
    print_one(as_dict(view), as_json)


@app.command("remove")
def trunk_remove(
    name: Trunk, yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False
) -> None:
    """Take a carrier out for good; its calls stay in the records. Calls that are up go on."""
    open_store()
    if not yes:
        typer.confirm(f"Remove {name}?", abort=True)
    trunks.remove(name)


add_state_commands(
    app, trunks.set_state, "No new calls, and Asterisk does not know it; calls that are up go on.", trunk_names
)


@app.command("hang-up")
def trunk_hang_up(name: Trunk) -> None:
    """End every call by way of it, on this node."""
    open_store()
    wanted = trunks.show_trunk(name).name
    hang_up_all([call for call in calls.live() if call.trunk == wanted])


def _sign_in(username: str | None, password_file: Any, realm: str | None) -> SignIn | None:
    if username is None:
        return None
    return sip_options.sign_in(username, password_file, realm)
