"""`connector config`: what Asterisk should have, object by object; apply it, take it back, see what was done."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

import typer
from rich.text import Text

from connector.asterisk import apply
from connector.asterisk.ami import AmiLink
from connector.asterisk.apply import Configurator, Plan
from connector.asterisk.ari_http import Asterisk
from connector.asterisk.reaching import TrunkStates
from connector.cli.opening import open_store, settings
from connector.cli.output import AsJson, as_dict, console, errors, plain, print_json, print_many
from connector.clock import SystemClock
from connector.core.times import iso
from connector.errors import BadInput
from connector.storage import stores

T = TypeVar("T")
app = typer.Typer(no_args_is_help=True)
_SIGNS = {"add": ("+", "green"), "change": ("~", "yellow"), "remove": ("-", "red"), "load": ("!", "yellow")}
Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]


@app.command("plan")
def config_plan(as_json: AsJson = False) -> None:
    """What 'apply' would change: each object and option, the live calls by way of it, and edits made by hand."""
    open_store()
    plan = _asked(lambda made: made.plan(made.wanted(), apply.live_by_end()))
    if as_json:
        print_json(_as_dict(plan))
    else:
        _show(plan)


@app.command("apply")
def config_apply(yes: Yes = False, as_json: AsJson = False) -> None:
    """Make Asterisk have what the store says. Calls that are up go on."""
    open_store()
    if not yes:
        plan = _asked(lambda made: made.plan(made.wanted(), apply.live_by_end()))
        if as_json and plan.changes:
            raise BadInput("say --yes: with --json nobody is asked")
        if not as_json:
            _show(plan)
            if plan.changes:
                typer.confirm("Apply it?", abort=True)
    done = _asked(lambda made: made.apply(made.wanted(), getpass.getuser()), watches=True)
    if as_json:
        print_json(_as_dict(done))
    else:
        for problem in done.problems:
            errors.print(Text.assemble(("left out: ", "red"), plain(problem)), soft_wrap=True)
        console.print(f"{len(done.changes)} changes applied: version {done.version}" if done.changes else "as it was")


@app.command("rollback")
def config_rollback(yes: Yes = False, as_json: AsJson = False) -> None:
    """Back to the version before. The connector applies nothing by itself then, until somebody says 'apply'."""
    if not yes:
        typer.confirm("Put the version before this one in place? It may know passwords that were changed", abort=True)
    step = _asked(lambda made: made.rollback(getpass.getuser()))
    if as_json:
        print_json(as_dict(step))
    else:
        console.print(f"version {step.version} is in place again; 'connector config apply' goes on from the store")


@app.command("history")
def config_history(as_json: AsJson = False) -> None:
    """What was done, the newest first."""
    found = apply.history(settings().sip.generated)[::-1]
    if as_json:
        print_json([as_dict(step) for step in found])
        return
    print_many(
        "Config history",
        ("When", "What", "Version", "By", "Changes", "Outcome"),
        [(iso(s.at) or "", s.action, s.version, s.by, str(s.objects), s.outcome) for s in found[:100]],
        "Nothing was applied yet.",
        may_shrink=("Outcome",),
    )


def _asked(question: Callable[[Configurator], Awaitable[T]], *, watches: bool = False) -> T:
    """The answer of a Configurator with connections of its own; one that `watches` trunks needs AMI too."""
    found = settings()
    stores.opened(found.store)  # its key opens the versions that were kept, though the store itself be away

    async def work() -> T:
        """With both connections, which are closed afterwards."""
        ami, asterisk = AmiLink(found.ami), Asterisk(found.ari)
        running = asyncio.create_task(ami.run())
        try:
            if watches:
                await ami.connected()
            reach = TrunkStates(ami, asterisk) if watches else None
            return await question(Configurator(found.sip, asterisk, SystemClock(), reach, found.node))
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await asterisk.close()

    return asyncio.run(work())


def _as_dict(plan: Plan) -> dict[str, Any]:
    return {
        "version": plan.version,
        "loaded": plan.loaded,
        "changes": [asdict(change) for change in plan.changes],
        "by_hand": plan.by_hand,
        "calls": len(plan.calls),
        "problems": list(plan.problems),
        "held": plan.held,
    }


def _show(plan: Plan) -> None:
    for problem in plan.problems:
        errors.print(Text.assemble(("left out: ", "red"), plain(problem)), soft_wrap=True)
    if not plan.changes:
        console.print("Asterisk has what the store says: nothing to do")
        return
    for change in plan.changes:
        sign, colour = _SIGNS[change.action]
        calls = f"  {len(change.calls)} live calls, which go on" if change.calls else ""
        hand = "  edited by hand" if change.by_hand else ""
        head = Text.assemble((f"{sign} {change.action} {change.type} ", colour), plain(change.name), (hand, "magenta"))
        console.print(Text.assemble(head, calls), soft_wrap=True)
        if change.action == "change":
            for field in change.fields:
                now, then = (plain(value or "nothing") for value in (field.now, field.then))
                console.print(Text.assemble(f"    {field.option}: ", now, " -> ", then), soft_wrap=True)
    touched = len(plan.calls)
    console.print(f"{len(plan.changes)} objects; {touched} live calls go by way of them and go on")
    if plan.held:
        console.print("somebody rolled back: nothing is applied until 'connector config apply'")
