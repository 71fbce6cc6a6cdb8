"""`connector setup`: what a first call needs, from an Asterisk's config folder and a few words."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connector.asterisk import accounts
from connector.database.sqlite import FileStore
from lab import freepbx
from lab.instance import PROJECT
from tests.asterisk.test_dropin import PLAIN, contents, laid_out
from tests.commands import Command
from tests.terminal import Terminal

CLIENT = (
    *("--role", "client", "--company", "Acme Ltd", "--currency", "GBP", "--time-zone", "Europe/London"),
    *("--country", "GB", "--provider", "192.0.2.10", "--channels", "4", "--number", "+442079460100"),
)
SERVER = (
    *("--role", "server", "--company", "Minutes Ltd", "--currency", "EUR", "--time-zone", "Europe/Berlin"),
    *("--country", "GB", "--carrier", "192.0.2.20:5070", "--channels", "10", "--credit", "50"),
    *("--number", "+442079460101", "--rings", "extension 101", "--owner", "ada@example.com"),
)


# Whom the connector would run as.
USER = "nobody" if os.geteuid() == 0 else accounts.own().name


class Setup:
    """The command, with every folder of its own."""

    def __init__(self, connector: Command, folder: Path) -> None:
        self.connector = connector
        self.folder = folder
        self.etc = laid_out(folder, PLAIN)
        for name in ("logrotate.d", "systemd"):
            (folder / name).mkdir()
        connector.settings = folder / "own" / "connector.toml"
        self.where: tuple[str, ...] = ("--asterisk-conf", str(self.etc), "--settings", str(connector.settings))
        self.where += ("--store", str(folder / "store"), "--sip-host", "192.0.2.1", "--user", USER)
        self.where += ("--logrotate", str(folder / "logrotate.d"), "--units", str(folder / "systemd"))

    def json(self, *words: str) -> Any:
        """Run it, without asking."""
        return self.connector.json("setup", *self.where, *words, "--yes")

    def refused(self, *words: str) -> str:
        """What it complains of."""
        return self.connector("setup", *self.where, *words, "--yes", status=1)


@pytest.fixture
def first(connector: Command, store: FileStore) -> Iterator[Setup]:
    """Nothing is set up yet. The folder is one that another user may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        made = Setup(connector, Path(name))
        for folder in (made.etc, made.folder / "log"):
            folder.chmod(0o755)
        yield made
        store.open()


def test_a_companys_own_asterisk_needs_no_money(first: Setup) -> None:
    """A client without billing: its channels count, its calls cost nothing, and premium numbers stay blocked."""
    done = first.json(*CLIENT)
    assert done["test"] == {"number": "+442079460001", "carried": True, "reasons": []}
    assert "Goto(connector-from-profile" in done["connect"]
    assert done["wrong"] == []
    connector = first.connector
    (profile,) = connector.json("profile", "list")
    assert (profile["name"], profile["channels"], profile["numbers"]) == ("office", 4, ["+442079460100"])
    assert connector.json("company", "show")["available_micros"] == 0
    assert connector.json("why", "+442079460001", "--profile", "office")["price_per_minute_micros"] == 0
    premium = connector.json("why", "+449098790000", "--profile", "office")
    assert [reason["code"] for reason in premium["reasons"]] == ["destination_blocked"]
    assert tomllib.loads(connector.settings.read_text())["store"]["path"] == str(first.folder / "store/connector.db")


def test_an_operator_gets_a_profile_that_can_pay(first: Setup) -> None:
    """A server with billing: the company has the money for channels and credit; what is shown once is told apart."""
    done = first.json(*SERVER)
    assert done["test"]["carried"]
    assert set(done["secrets"]) == {"sign-in", "user name", "password"}
    assert "/welcome?link=" in done["secrets"]["sign-in"]
    assert done["secrets"]["password"] not in first.connector.settings.read_text() + done["connect"]
    connector = first.connector
    assert connector.json("credit", "show", "office")["available_micros"] == 50_000_000
    assert connector.json("company", "show")["available_micros"] == 0
    (number,) = connector.json("numbers", "list")
    assert number["route"] == "extension 101"
    (trunk,) = connector.json("trunk", "list")
    assert (trunk["name"], trunk["host"], trunk["port"]) == ("carrier", "192.0.2.20", 5070)
    assert connector.json("ledger", "verify")["problems"] == []


@pytest.mark.parametrize("words", [CLIENT, SERVER], ids=["client", "server"])
def test_twice_is_harmless(first: Setup, words: tuple[str, ...]) -> None:
    """The second time there is nothing to do, and no money moves."""
    assert len(first.json(*words)["steps"]) > 4
    files, entries = contents(first.etc), first.connector.json("company", "show")
    again = first.json(*words)
    assert (again["steps"], again["secrets"]) == ([], {})
    assert (contents(first.etc), first.connector.json("company", "show")) == (files, entries)


def test_what_is_missing_is_done(first: Setup) -> None:
    """A setup without a number, and then with one: only the number is new."""
    first.json(*CLIENT[:-2], "--number", "")
    assert first.json(*CLIENT)["steps"] == ["give the profile the number +442079460100"]


WRONG = [
    (("--number", "12"), "number"),
    (("--currency", "GBX"), "GBX"),
    (("--time-zone", "Europe/Nowhere"), "Europe/Nowhere"),
    (("--channels", "301"), "300"),
    (("--role", "both"), "a role is client or server"),
    (("--provider", "a b"), "HOST or HOST:PORT"),
    (("--rings", "somewhere"), "somewhere"),
    (("--user", "nobody-of-that-name"), "there is no user"),
    (("--sip-host", "not an address"), "address"),
]


@pytest.mark.parametrize(("words", "said"), WRONG, ids=[words[0] for words, _ in WRONG])
def test_bad_input_changes_nothing(first: Setup, words: tuple[str, str], said: str) -> None:
    """It is one line, said before anything is installed or any store is made."""
    before = contents(first.etc)
    assert said in first.refused(*CLIENT, *words)
    assert contents(first.etc) == before
    assert not (first.folder / "store").exists()
    assert not first.connector.settings.exists()


OTHERWISE = [
    (("--channels", "6"), "has 4 channels, not 6: 'connector channels change office 6'"),
    (("--country", "DE"), "dials as in GB, not DE: 'connector profile change office --country DE'"),
    (
        ("--provider", "192.0.2.77:5080"),
        "is 192.0.2.10:5060, not 192.0.2.77:5080: 'connector trunk change office --address 192.0.2.77 --port 5080'",
    ),
    (("--time-zone", "Europe/Paris"), "is in Europe/London, not Europe/Paris; that stays"),
]


@pytest.mark.parametrize(("words", "said"), OTHERWISE, ids=[words[0] for words, _ in OTHERWISE])
def test_what_is_there_otherwise_is_said(first: Setup, words: tuple[str, str], said: str) -> None:
    """Done before with something else: it stays as it is, and the command that changes it is named, and exists."""
    first.json(*CLIENT)
    done = first.json(*CLIENT, *words)
    (differs,) = done["differs"]
    assert said in differs
    for command in re.findall("'connector (.*?)'", differs):
        first.connector(*command.split())
    assert first.json(*CLIENT, *words)["differs"] == ([] if "'connector" in differs else [differs])


NUMBERS = [
    ("GB", "+442079460001", True),
    ("DE", "+493023125123", True),
    ("SE", "+46846500401", True),
    ("NL", "+31101234567", False),
]


@pytest.mark.parametrize(("country", "number", "nobodys"), NUMBERS, ids=[row[0] for row in NUMBERS])
def test_the_number_to_try_is_one_of_the_country(first: Setup, country: str, number: str, nobodys: bool) -> None:
    """It is asked whether a call there would be carried; only one that nobody has is named as a number to dial."""
    done = first.json(*CLIENT, "--country", country, "--number", "")
    assert (done["test"]["number"], done["test"]["carried"]) == (number, True)
    (dial,) = (step for step in done["next"] if step.startswith("dial "))
    assert (number in dial) is nobodys


def test_another_currency_or_role_is_refused(first: Setup) -> None:
    """What is there already is not what is wanted: nothing is changed."""
    first.json(*CLIENT)
    assert "is there already, with GBP" in first.refused(*CLIENT, "--currency", "EUR")
    assert "of Acme Ltd and with the role client" in first.refused(
        *SERVER[:2], *CLIENT[2:], "--credit", "5", "--billing"
    )


def test_what_another_company_has_is_not_touched(first: Setup) -> None:
    """A second company, and a profile, number or trunk of the first one: it is said, and no money moves."""
    first.json(*SERVER)
    before = first.connector.json("ledger", "verify")
    company = ("--company", "Other Ltd", "--owner", "")
    assert "the profile office is there already, of Minutes Ltd" in first.refused(*SERVER, *company)
    other = (*company, "--profile", "branch")
    assert "the number +442079460101 is there already" in first.refused(*SERVER, *other)
    assert "the trunk carrier is there already" in first.refused(*SERVER, *other, "--number", "")
    assert first.connector.json("ledger", "verify") == before
    assert len(first.connector.json("company", "list")) == 1


def test_a_second_profile_gets_its_own_money(first: Setup) -> None:
    """Its channels and credit are paid by a top-up of its own; in a currency without a smaller coin it is whole."""
    yen = [*SERVER, "--currency", "JPY", "--owner", ""]
    first.json(*yen)
    done = first.json(*yen, "--profile", "branch", "--number", "+442079460102")
    assert [step.split()[0] for step in done["steps"]] == ["top", "make", "give", "give", "have"]
    assert first.connector.json("credit", "show", "branch")["available_micros"] == 50_000_000
    assert first.connector.json("ledger", "verify")["problems"] == []


def test_nobody_is_asked_without_a_terminal(first: Setup) -> None:
    """A script is told which option is missing, or that it has to say --yes; a dry run changes nothing."""
    assert "say --channels" in first.refused(*CLIENT[:12], *CLIENT[14:])
    where = ("setup", *first.where, *CLIENT)
    assert "--yes does it" in first.connector(*where, status=1)
    shown = first.connector(*where, "--dry-run")
    assert "will make the company Acme Ltd" in shown
    assert shown.endswith("nothing was changed\n")
    assert not first.connector.settings.exists()


def test_freepbx_gets_what_it_needs(first: Setup) -> None:
    """A trunk's fields by their names, and the number that is called where FreePBX looks for it."""
    done = first.json(*SERVER, "--freepbx")
    assert "pjsip Settings, General: SIP Server" in done["connect"]
    assert first.connector.json("profile", "show", "office")["options"]["called_in"] == "uri"


def test_on_freepbx_itself_its_own_files_are_named(first: Setup) -> None:
    """A client's lines are those of a custom trunk and of inbound routes; it is found out that it is FreePBX."""
    for name, text in freepbx.files(port=5060, http_port=8088, ami_port=5038).items():
        (first.etc / name).write_text(text)
    lines = first.json(*CLIENT)["connect"]
    assert "[connector-line]" in lines
    assert "include => from-trunk" in lines
    assert first.connector("profile", "connect", "office", "--for", "freepbx") == lines


def test_what_makes_no_sense_is_refused(first: Setup) -> None:
    """A connector that runs as root, and credit where nothing costs money: nothing is made then."""
    before = contents(first.etc)
    assert "must not run as root" in first.refused(*CLIENT, "--user", "root")
    assert "without billing there is no credit" in first.refused(*CLIENT, "--credit", "50")
    assert contents(first.etc) == before
    assert not first.connector.settings.exists()


def test_the_documents_commands_for_another_profile_work(first: Setup) -> None:
    """As docs/freepbx.md has them, one after the other, on a connector that was set up."""
    first.json(*SERVER, "--freepbx")
    blocks = re.findall(r"```\n(.*?)```", (PROJECT / "docs" / "freepbx.md").read_text(), re.DOTALL)
    (block,) = (block for block in blocks if "profile create" in block)
    commands = [line.split()[1:] for line in block.splitlines() if line.strip()]
    said = [first.connector(*words) for words in commands]
    assert len(said) == 5
    assert "pjsip Settings, General: SIP Server" in said[-1]


def asked(first: Setup, *words: str, columns: int = 80) -> Terminal:
    """The command at a terminal."""
    command = [sys.executable, "-P", "-m", "connector", "setup", *first.where, *words]
    return Terminal(command, columns=columns, env={"PATH": "/nowhere"})  # no asterisk and no init system to start


def test_it_asks_at_a_terminal(first: Setup) -> None:
    """All that no option said is asked for, with what is usual; an answer that cannot be used is asked for again."""
    with asked(first) as terminal:
        terminal.answer("Role", "both")
        terminal.answer("a role is client or server", "")
        terminal.answer("Role", "client")
        terminal.answer("Address of the provider", "sip example")
        terminal.answer("Address of the provider", "sip.example.com")
        terminal.answer("User name there", "")
        terminal.answer("is a host name", "")
        terminal.answer("User name there", "99051000")
        terminal.answer("Password: ", "not shown")  # the space is printed after echo is off
        terminal.answer("Company", "Dupont SA")
        terminal.answer("Time zone", "Europe/Nowhere")
        terminal.answer("Time zone", "Europe/Paris")
        terminal.answer("Country, as in GB [FR]", "")
        terminal.answer("Currency", "euros")
        terminal.answer("Currency", "eur")
        terminal.answer("Simultaneous calls", "301")
        terminal.answer("Simultaneous calls", "4")
        terminal.answer("First number", "12")
        terminal.answer("First number", "+33199005678")
        terminal.answer("Where it rings", "somewhere")
        terminal.answer("Where it rings", "extension 101")
        terminal.answer("E-mail address", "nobody")
        terminal.answer("E-mail address", "ada@example.com")
        terminal.answer("Do this? [y/N]", "y")
        assert terminal.ended() == 0, terminal.said
        assert "not shown" not in terminal.said
        assert "Test: a call to +33199001234 would be carried" in terminal.said
    (number,) = first.connector.json("numbers", "list")
    assert (number["number"], number["route"]) == ("+33199005678", "extension 101")
    (profile,) = first.connector.json("profile", "list")
    assert (profile["channels"], profile["country"]) == (4, "FR")
    assert first.connector.json("trunk", "show", "office")["host"] == "sip.example.com"


@pytest.mark.parametrize("key", [b"\x03", b"\x04", b"\n"], ids=["Ctrl-C", "Ctrl-D", "Enter"])
def test_who_does_not_agree_changes_nothing(first: Setup, key: bytes) -> None:
    """At the last question: nothing is made then, and no traceback is shown."""
    before = contents(first.etc)
    with asked(first, *CLIENT, "--owner", "", "--username", "", "--rings", "", columns=50) as terminal:
        terminal.until("Do this?")
        terminal.press(key)
        terminal.ended(again=key if key == b"\x03" else b"")
        assert "Traceback" not in terminal.said
    assert contents(first.etc) == before
    assert not first.connector.settings.exists()


def test_without_any_input_it_says_what_is_missing(first: Setup) -> None:
    """Standard input is closed, as it may be in a script of a package."""
    command = shlex.join([sys.executable, "-P", "-m", "connector", "setup", *first.where, "--role", "client"])
    ran = subprocess.run(["sh", "-c", f"exec {command} <&-"], capture_output=True, text=True, check=False, timeout=60)
    assert (ran.returncode, ran.stderr) == (1, "error: Address of the provider: say --provider\n")
