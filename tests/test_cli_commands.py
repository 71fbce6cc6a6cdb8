"""Where the commands are: each in its place, and no command loads what it does not need."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib import import_module
from pkgutil import iter_modules

import pytest
import typer

from connector import cli
from connector.cli import manual
from connector.cli.commands import PLACES, loaded
from tests.commands import Command

ALL = {name: place for places in PLACES.values() for name, place in places.items()}


def test_every_command_has_its_place() -> None:
    """What is in a module of the command line can be typed: no group and no command is left out of the table."""
    for module in iter_modules(cli.__path__):
        for attribute, app in vars(import_module(f"connector.cli.{module.name}")).items():
            if not isinstance(app, typer.Typer):
                continue
            placed = {name for name, place in ALL.items() if (place.module, place.app) == (module.name, attribute)}
            assert placed, f"{module.name}.{attribute}"
            if ALL[next(iter(placed))].alone:
                assert placed == set(typer.main.get_group(app).commands)
            else:
                assert len(placed) == 1


@pytest.mark.parametrize("name", ALL)
def test_help_of_a_command(name: str) -> None:
    """Each can be loaded, has its own name, and says what it is for in one sentence of `--help` at least."""
    command = loaded(name)
    assert command.name == name
    assert ALL[name].words.endswith(".")
    assert command.help


def modules_of(code: str) -> set[str]:
    """Which modules a new process has when it has run this."""
    said = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules, file=sys.stderr)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(said.stderr.split())


def test_to_list_profiles_loads_no_web_server() -> None:
    """A command starts fast: no web server, no HTTP client is loaded to list profiles."""
    there = modules_of("from connector.cli.commands import loaded\nloaded('profile')")
    assert "connector.billing.profiles" in there
    assert not there & {"aiohttp", "jinja2", "uvloop", "connector.web", "connector.service.doctor"}


def test_help_and_version_load_no_store() -> None:
    """`connector --help` shows every command and loads none of them."""
    asked = "import sys\nsys.argv = ['connector', '--help']\nfrom connector.cli import app"
    there = modules_of(f"{asked}\ntry: app()\nexcept SystemExit: pass")
    assert "connector.cli.commands" in there
    assert not there & {"peewee", "aiohttp", "connector.config", "connector.database"}


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("connector prof", ["profile"]),
        ("connector profile show ", ["office", "warehouse"]),
        ("connector credit add wa", ["warehouse"]),
        ("connector cdr list --profile o", ["office"]),
        ("connector profile suspend x", []),
        ("connector trunk show ", ["carrier"]),
        ("connector profile create o", []),
        ("connector profile show $", []),
        ("connector profile show head", []),
    ],
)
def test_the_shell_completes_names(
    connector: Command, monkeypatch: pytest.MonkeyPatch, typed: str, offered: list[str]
) -> None:
    """Commands, profiles and trunks of the store, also after --config; for a new profile's name nothing is offered."""
    connector("profile", "create", "warehouse")  # beside "office" and the trunk of the store
    for hostile in (r"\$(touch /tmp/x)", "$(touch /tmp/x)", "head office", "`id`", "a;b", "*", "-x"):
        connector("profile", "create", "--", hostile)
    words = [typed.split(" ")[0], "--config", shlex.quote(str(connector.settings)), *typed.split(" ")[1:]]
    monkeypatch.setenv("_CONNECTOR_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", " ".join(words))
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    said = connector().split()
    assert [each for each in said if not re.fullmatch("p[a-z0-9]{10}", each)] == offered
    assert not set("$`;* \\") & set("".join(said))


def test_a_command_that_was_typed_wrongly_is_guessed(connector: Command) -> None:
    """As typer does where it has the commands at hand."""
    assert "Did you mean 'profile'?" in connector("profil", status=2)


def test_without_a_store_nothing_is_offered(
    connector: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Completion prints no error: there is no place for one in a line that is being typed."""
    monkeypatch.setenv("_CONNECTOR_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "connector --config /nowhere/connector.toml profile show ")
    monkeypatch.setenv("COMP_CWORD", "5")
    assert connector().strip() == ""
    assert capsys.readouterr().err == ""


def test_the_manual_page_has_every_command() -> None:
    """Each command with the words of its help, as roff that nothing in them can break."""
    page = manual.page()
    for name, place in ALL.items():
        command = loaded(name)
        for inner in getattr(command, "commands", {"": command}):
            assert f".SS connector {name} {inner}".strip().replace("-", "\\-") in page, (name, inner, place)
    assert "\\-\\-channels <int>" in page
    requests = {line.split()[0] for line in page.splitlines() if line.startswith((".", "'"))}
    assert requests == {".TH", ".SH", ".SS", ".TP", ".PP", ".B"}
