"""`connector nodes`: the Asterisks that share the store, and what to do with one that is gone for good."""

from __future__ import annotations

from typing import Annotated

import typer

from connector.billing import nodes
from connector.cli.opening import open_store, settings
from connector.cli.output import AsJson, console, now, print_list, print_one
from connector.core.money import decimal
from connector.core.times import iso
from connector.service.running import alone

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """Every node, whether it is here, and its calls."""
    open_store()
    found = nodes.list_nodes(now())
    print_list(
        found,
        as_json,
        "Nodes",
        ("Node", "", "Last seen", "Calls", "Over, to be settled", "Held"),
        lambda view: (
            view.name,
            "here" if view.is_here else "away",
            iso(view.seen_at) or "never",
            str(view.calls),
            str(view.dead_calls),
            decimal(view.held_micros),
        ),
        "No node was seen yet: 'connector serve' runs one.",
    )


@app.command("retire")
def retire(
    name: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say that a node is gone for good: its calls are charged to the last moment they were known alive."""
    store = open_store()
    if not yes:
        calls = sum(view.calls + view.dead_calls for view in nodes.list_nodes(now()) if view.name == name)
        console.print(f"{calls} calls of {name} are ended, and charged to when they were last seen, for good.")
        typer.confirm("Is its Asterisk stopped for good?", abort=True)
    with alone(settings().store.path):
        store.write_as(name)  # so that it cannot come back meanwhile
        print_one({"node": name, "calls_ended": nodes.retire(name, now())}, as_json)
