"""`python -m lab`: what the Makefile calls. A LabError is one line and exit status 1."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, TextColumn

from lab import chaos as lab_chaos
from lab import cluster, testing
from lab import load as lab_load
from lab import release as lab_release
from lab import run as lab_run
from lab import soak as lab_soak
from lab.errors import LabError
from lab.sim import run as lab_sim
from lab.speed import run as lab_speed

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
Folder = Annotated[Path, typer.Option(help="Where it lives.", hidden=True)]
PortBase = Annotated[int, typer.Option(help="The first of the ports that are used.")]


@app.command()
def run(port_base: PortBase = 15060, folder: Folder = lab_run.VAR) -> None:
    """Start everything, place two calls, stay up until Ctrl-C."""
    lab_run.run(port_base, folder.absolute())


@app.command()
def start(port_base: PortBase = 15060, folder: Folder = lab_run.VAR) -> None:
    """The same in the background."""
    lab_run.start(port_base, folder.absolute())


@app.command()
def stop(folder: Folder = lab_run.VAR) -> None:
    """End it, whatever is left of it."""
    lab_run.stop(folder.absolute())


@app.command()
def load(times: Annotated[int, typer.Option(min=1, max=100, help="How many times over.")] = 1) -> None:
    """Prove the 300-channel limit on a lab of its own."""
    if not lab_load.run_all(times):
        raise typer.Exit(1)


@app.command()
def soak(
    seconds: Annotated[int, typer.Option(min=1, max=86_400, help="How long.")] = 600,
    seed: Annotated[int | None, typer.Option(help="The seed of an earlier run.")] = None,
) -> None:
    """Many processes on one store, killed at random; then the books."""
    found = lab_soak.soak(seconds, seed)
    print(f"{found.kills} kills, {found.audits} audits")
    for what, count in found.counts.items():
        print(f"{count:>9} {what}")
    for problem in found.problems:
        print(f"problem: {problem}")
    print(f"seed {found.seed}: " + ("nothing oversold, nothing lost" if not found.problems else "failed"))
    if found.problems:
        raise typer.Exit(1)


@app.command()
def chaos() -> None:
    """Break one thing after the other under calls; what has to hold, and whether it did."""
    if not lab_chaos.run_all():
        raise typer.Exit(1)


@app.command()
def nodes() -> None:
    """Two nodes on one PostgreSQL: what dies there, and a hundred times a thousand attempts at once."""
    if not cluster.run_all():
        raise typer.Exit(1)


@app.command()
def sim(
    seed: Annotated[int | None, typer.Option(help="Repeat this one; else many.")] = None,
    count: Annotated[int, typer.Option(min=1, max=10_000_000, help="How many seeds, if none is named.")] = 1_000,
    first: Annotated[int, typer.Option(min=0, help="The first of them.")] = 0,
    calls: Annotated[int, typer.Option(min=1, max=1_000, help="How many calls each.")] = lab_sim.CALLS,
) -> None:
    """Connector, store, Asterisk and clock in one process and in virtual time, with faults at every await."""
    if seed is not None:
        found = lab_sim.repeat(seed, calls)
    else:
        found = lab_sim.Simulated()
        with Progress(*Progress.get_default_columns(), TextColumn("{task.fields[failed]} failed")) as bar:
            task = bar.add_task("seeds", total=count, failed=0)
            for found in lab_sim.sweep(first, count, calls):
                bar.update(task, completed=found.seeds, failed=len(found.failed))
    for story in found.failures[: lab_sim.MOST_EXPLAINED]:
        print(story)
    print(
        f"{found.seeds} seeds, {found.hours:.1f} virtual hours, {found.calls} calls, {found.faults} faults"
        f" in {found.took_s:.0f} s: "
        + (f"seeds {found.failed} failed" if found.failed else "nothing lost, nothing twice")
    )
    if found.failed:
        raise typer.Exit(1)


@app.command()
def bench(
    quick: Annotated[bool, typer.Option(help="A part of it, in two minutes; fails if something fell.")] = False,
    keep: Annotated[bool, typer.Option(help="Later runs are compared with this one.")] = False,
) -> None:
    """Measure how fast it is, beside a bare dialplan and what the disk can do."""
    if not lab_speed.run_all(quick=quick, keep=keep):
        raise typer.Exit(1)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def test(context: typer.Context) -> None:
    """Style, types and every test; what follows goes to pytest."""
    if not testing.run(context.args):
        raise typer.Exit(1)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def containers(context: typer.Context) -> None:
    """The images of docker/, built and tried by calls from outside; what follows goes to pytest."""
    if not testing.containers(context.args):
        raise typer.Exit(1)


@app.command()
def release() -> None:
    """Build sdist, wheel and Debian package from the last commit, with checksums, and tag it."""
    lab_release.release()


@app.command()
def unit() -> None:
    """The tests that need no Asterisk."""
    if not testing.unit():
        raise typer.Exit(1)


def main() -> None:
    """The entry point."""
    os.umask(0o077)  # logs and journals are nobody else's business
    try:
        app()
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        sys.exit(130)
    except OSError as error:  # no disk, no right to write here: a line, not a Traceback
        print(f"error: {error.strerror or error}: {error.filename or ''}", file=sys.stderr)
        sys.exit(1)


main()
