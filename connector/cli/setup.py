"""`connector setup`: from an Asterisk without the connector to a first call. It asks for what was not said."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from connector.asterisk import accounts
from connector.asterisk.dropin import install as dropin
from connector.asterisk.dropin.install import runs_as
from connector.billing import profiles, trials
from connector.cli import opening, output, sip_options
from connector.cli.accounts import acting_as
from connector.cli.dropin import UNITS, USER, DryRun, connector_user, own_address
from connector.cli.output import AsJson, console, errors, now, plain, print_json, read_file
from connector.cli.questions import ask, config_folder, confirm, country_of, may_ask, zone_here
from connector.config import Settings, StoreSettings
from connector.core.admission import UsualLimits
from connector.core.money import amount, checked_currency
from connector.core.numbering import checked_country, checked_number
from connector.core.plans import MOST_CHANNELS
from connector.core.routes import parse as parse_route
from connector.core.sip import Options, checked_address, checked_host, checked_known_by, checked_port, checked_user
from connector.core.times import checked_zone
from connector.database import audit, vault
from connector.errors import BadInput, ConnectorError, GateUnavailable
from connector.people import users
from connector.service import first_setup, gate_status
from connector.service.first_setup import CLIENT, SERVER, SIGN_IN, Step, There, Wanted
from connector.storage import stores

app = typer.Typer()
MOST_BYTES = 100_000_000
_PEER = re.compile(r"(?P<host>[^\s:]+)(?::(?P<port>\d{1,5}))?")
_ROLES = f"{CLIENT}: this Asterisk is a company's PBX, with a provider; {SERVER}: PBXs register here"


@dataclass(frozen=True)
class Place:
    """Where everything is, or goes: Asterisk's config, our settings, the store, and whom the connector runs as."""

    conf: Path
    settings: Path
    store: Path
    user: str
    sip_host: str
    logrotate: Path
    units: Path

    @property
    def is_installed(self) -> bool:
        """Whether the connector is in Asterisk's config already."""
        try:
            return bool(dropin.installed(self.conf)) and self.settings.exists()
        except ConnectorError:
            return False

    @property
    def start_command(self) -> str:
        """What has the init system start the connector; "" if it does not know it."""
        if self.units.name == dropin.SCRIPTS:
            places = [self.units / dropin.SCRIPT]
        else:
            places = [*(self.units / name for name in dropin.UNITS), *dropin.packaged_units()]
        return dropin.start_command([path for path in places if path.exists()])


@app.command("setup")
def setup(
    role: Annotated[str | None, typer.Option(help=_ROLES)] = None,
    company: Annotated[str | None, typer.Option(help="The company's name.")] = None,
    currency: Annotated[str | None, typer.Option(help="ISO 4217, as in EUR.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="As in Europe/London: whose calendar days are counted.")] = None,
    country: Annotated[str | None, typer.Option(help="Whose numbers its phones dial: two letters, like GB.")] = None,
    peer: Annotated[
        str | None, typer.Option("--provider", "--carrier", help="HOST or HOST:PORT of the provider or carrier.")
    ] = None,
    username: Annotated[
        str | None, typer.Option(help="The user name there; without it we are known by address.")
    ] = None,
    password_file: Annotated[Path | None, typer.Option(help="A file with the password there; - for the input.")] = None,
    realm: Annotated[str, typer.Option(help="The realm there, if you know it.")] = "",
    profile: Annotated[str, typer.Option(help="The name of the first profile.")] = "office",
    channels: Annotated[int | None, typer.Option(help="Its simultaneous calls, 1 to 300.")] = None,
    billing: Annotated[
        bool | None, typer.Option("--billing/--no-billing", help="Whether calls and channels cost money here.")
    ] = None,
    rates: Annotated[Path | None, typer.Option(help="A rate sheet; else sample rates are loaded.")] = None,
    credit: Annotated[str | None, typer.Option(help="How much the profile may spend at first, as in 50.")] = None,
    number: Annotated[str | None, typer.Option(help="Its first number, as in +442079460100; empty for none.")] = None,
    rings: Annotated[
        str | None, typer.Option(help="Where that rings, as in 'extension 101'; else the whole PBX.")
    ] = None,
    owner: Annotated[str | None, typer.Option(help="An e-mail address that may sign in to the pages.")] = None,
    freepbx: Annotated[
        bool, typer.Option("--freepbx", help="The PBX is FreePBX; of this Asterisk it is found out.")
    ] = False,
    asterisk_conf: Annotated[
        Path | None, typer.Option(help="The folder of Asterisk's config; else where it usually is.")
    ] = None,
    settings: Annotated[Path, typer.Option(help="Where our own settings go.")] = Path(
        "/etc/asterisk-connector/connector.toml"
    ),
    store: Annotated[Path, typer.Option(help="The folder for the store.")] = dropin.STORE,
    sip_host: Annotated[str | None, typer.Option(help="The address by which others reach this Asterisk.")] = None,
    user: Annotated[str | None, typer.Option(help=f"Whom the connector runs as: else {USER}, or you.")] = None,
    logrotate: Annotated[Path, typer.Option(help="The folder of logrotate's rules.")] = Path("/etc/logrotate.d"),
    units: Annotated[Path | None, typer.Option(help=UNITS)] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking; nothing is restarted.")] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Set up everything that a first call needs. It shows what it will do, and restarts nothing without asking.

    A second time it does what is missing. What is not said as an option is asked for.
    """
    run_as = connector_user(user)
    chosen = ask(role, "--role", f"Role ({_ROLES})", _role)
    is_client = chosen == CLIENT
    billed = billing if billing is not None else not is_client
    if not billed and credit is not None:
        raise BadInput("without billing there is no credit: leave out --credit, or say --billing")
    conf = ask(
        str(asterisk_conf) if asterisk_conf else None,
        "--asterisk-conf",
        "Folder of Asterisk's config",
        _conf_folder,
        usual=None if asterisk_conf else str(config_folder()),
        needed=False,
    )
    question = "Address by which others reach this Asterisk"
    host = ask(sip_host, "--sip-host", question, _own_host, usual=own_address(), needed=False)
    place = Place(
        conf,
        settings.absolute(),
        store.absolute(),
        run_as,
        host,
        logrotate.absolute(),
        units.absolute() if units else dropin.service_folder(),
    )
    where = ask(peer, "--provider", "Address of the provider" if is_client else "Address of the carrier", _peer)
    question = "User name there (empty: it knows us by our address)"
    username = ask(username, "--username", question, partial(_sign_in_name, where[0]), usual="", needed=False)
    # Asked for right after the user name: they are on the same page of the provider's letter.
    given = sip_options.sign_in(username, password_file, realm) if username else None
    company = ask(company, "--company", "Company", profiles.checked_company_name)
    zone = ask(time_zone, "--time-zone", "Time zone, as in Europe/London", checked_zone, usual=zone_here())
    home = ask(country, "--country", "Country, as in GB", _country, usual=country_of(zone))
    money = ask(currency, "--currency", "Currency, as in EUR", _currency)
    simultaneous = channels if channels is not None else ask(None, "--channels", "Simultaneous calls", _channels)
    credit_micros = ask(credit, "--credit", "First credit, as in 50", amount) if billed else 0
    first_number = ask(
        number, "--number", "First number, as in +442079460100 (empty: none)", partial(_number, home), usual=""
    )
    question = "Where it rings, as in 'extension 101' (empty: the whole PBX)"
    wanted = Wanted(
        role=chosen,
        company=company,
        currency=money,
        time_zone=zone,
        country=home,
        profile=profile,
        channels=simultaneous,
        peer=where,
        sign_in=given,
        billed=billed,
        rates=read_file(rates, MOST_BYTES) if rates else "",
        credit_micros=credit_micros,
        number=first_number,
        route=ask(rings, "--rings", question, _route, usual="", needed=False) if first_number else "",
        owner=ask(
            owner,
            "--owner",
            "E-mail address of the first user of the pages (empty: none)",
            _owner,
            usual="",
            needed=False,
        ),
        freepbx=freepbx or (is_client and dropin.is_freepbx(conf)),
    )
    _run(wanted, place, yes=yes, dry_run=dry_run, as_json=as_json)


def _run(wanted: Wanted, place: Place, *, yes: bool, dry_run: bool, as_json: bool) -> None:
    _rehearse(wanted)
    is_installed = place.is_installed
    makes_user = not is_installed and not place.user and os.geteuid() == 0
    # Until there is the connector's user, what it will have is planned for the one who runs this.
    plan = None if is_installed else _plan(replace(place, user=accounts.own().name) if makes_user else place)
    with _store_of(place, make=False) as ours:
        there = first_setup.look(wanted) if ours else first_setup.NOTHING
        todo = _steps(wanted, there, ours)
    shown = [f"install into {place.conf}, with settings in {place.settings}"] if plan else []
    if makes_user:
        shown.insert(0, f"make the user {USER}, for the connector to run as, in the group of Asterisk")
    shown += [step.about for step in todo if not step.is_done]
    if not as_json:
        _tell(shown, [step.about for step in todo if step.is_done])
        for note in (*(plan.notes if plan else ()), *there.differs):
            console.print(plain(f"  note: {note}"), soft_wrap=True)
    if dry_run or (shown and not (yes or _agreed())):
        print_json({"done": False, "steps": shown, "differs": there.differs}) if as_json else console.print(
            "nothing was changed"
        )
        return
    if makes_user:
        place = _with_user(place)
        plan = _plan(place)
    wrong = dropin.install(plan) if plan else []
    secrets: dict[str, str] = {}
    with _store_of(place) as ours:
        assert ours is not None
        try:
            for step in _steps(wanted, first_setup.look(wanted), ours):
                if not step.is_done:
                    secrets |= step.do()
        except ConnectorError:
            for name, value in secrets.items():  # they were made, and are never shown again
                errors.print(plain(f"{name} (shown once): {value}"), soft_wrap=True)
            raise
        if SIGN_IN in secrets:
            secrets[SIGN_IN] = f"{ours.web.url}/welcome?link={secrets[SIGN_IN]}"
        paste = first_setup.connection(wanted, ours)
        try_number = first_setup.number_to_try(wanted.country)
        found = trials.why(try_number, wanted.profile, now())
        runs = _is_running(ours)
    next_steps = _next_steps(place, plan, wanted, try_number, runs=runs)
    if as_json:
        reasons = [reason.words for reason in found.reasons]
        test = {"number": try_number, "carried": found.carried, "reasons": reasons}
        print_json(
            {"done": True, "steps": shown, "secrets": secrets, "connect": paste, "test": test, "next": next_steps,
             "notes": list(plan.notes) if plan else [], "differs": there.differs, "wrong": wrong}
        )  # fmt: skip
    else:
        _tell_result(wanted, secrets, paste, found, next_steps)
        for problem in wrong:
            errors.print(plain(f"wrong: {problem}"), soft_wrap=True)
        if not yes:
            _offer_to_start(place, installed=plan is not None)
    if wrong:
        raise typer.Exit(1)


def _rehearse(wanted: Wanted) -> None:
    """Do all of it in a store that is thrown away: what is wrong is said before anything is changed."""
    with tempfile.TemporaryDirectory() as folder:
        opened = stores.opened(StoreSettings(path=Path(folder) / "rehearsal.db"))
        try:
            opened.migrate()
            vault.first_key()
            for step in first_setup.steps(wanted, first_setup.NOTHING, "asterisk", UsualLimits(), now()):
                step.do()
        finally:
            opened.close()


def _steps(wanted: Wanted, there: There, ours: Settings | None) -> list[Step]:
    """The steps in the open store, with the realm and the usual limits of the settings, if there are any yet."""
    if ours is None:
        return first_setup.steps(wanted, there, "", UsualLimits(), now())
    usual = UsualLimits.of(ours.calls.new_profile_per_day, ours.calls.new_profile_calls_per_second)
    return first_setup.steps(wanted, there, ours.sip.realm, usual, now())


def _with_user(place: Place) -> Place:
    """Make the connector's user, a member of Asterisk's group. BadInput if the system does not let us."""
    asterisk = accounts.of_asterisk(place.conf)
    command = ["useradd", "--system", "--user-group", "--no-create-home"]
    if asterisk.gid != 0:  # what an Asterisk that runs as root shares has our group
        command += ["--groups", asterisk.group]
    command += ["--home-dir", str(place.store), "--shell", "/usr/sbin/nologin", USER]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise BadInput("the user {user} cannot be made: {stderr}", user=USER, stderr=ran.stderr.strip())
    return replace(place, user=USER)


def _plan(place: Place) -> dropin.Plan:
    return dropin.plan(
        place.conf, place.settings, place.sip_host, place.user, place.store, place.logrotate, place.units
    )


@contextmanager
def _store_of(place: Place, *, make: bool = True) -> Iterator[Settings | None]:
    """The settings, with the store open, as the connector's user: what root makes there the connector could not use.

    With `make` its tables are made, or brought up to date; else None if there is none yet.
    """
    output.settings_path[0] = place.settings
    if not make and not place.settings.exists():
        yield None
        return
    ours = opening.settings()
    with acting_as(runs_as(ours)):
        if not make and ours.store.path is not None and not ours.store.path.exists():
            yield None
            return
        opened = stores.opened(ours.store)
        try:
            if make:
                opened.migrate()
                vault.first_key()
            opened.check()
            audit.act_as(opening.doer())
            yield ours
        finally:
            opened.close()


def _is_running(ours: Settings) -> bool:
    try:
        asyncio.run(gate_status.ask(ours.gate_socket, ours.node))
    except GateUnavailable:
        return False
    return True


def _role(text: str) -> str:
    if text not in (CLIENT, SERVER):
        raise BadInput("a role is {client} or {server}", client=CLIENT, server=SERVER)
    return text


def _sign_in_name(host: str, text: str) -> str:
    if not text:
        checked_known_by(host, Options())
        return ""
    return checked_user(text, "the user name")


def _conf_folder(text: str) -> Path:
    folder = Path(text).resolve()
    dropin.check_is_asterisks(folder)
    return folder


def _own_host(text: str) -> str:
    return checked_address(text, "the address of this Asterisk")


def _currency(text: str) -> str:
    return checked_currency(text.upper())


def _country(text: str) -> str:
    return checked_country(text.upper())


def _number(country: str, text: str) -> str:
    return checked_number(text, None if text.startswith(("+", "00")) else country) if text else ""


def _channels(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text, re.ASCII) or not 1 <= int(text) <= MOST_CHANNELS:
        raise BadInput("{given!r} is not a number from 1 to {most_channels}", given=text, most_channels=MOST_CHANNELS)
    return int(text)


def _route(text: str) -> str:
    if text:
        parse_route(text)
    return text


def _owner(text: str) -> str:
    return users.checked_email(text) if text else ""


def _peer(text: str) -> tuple[str, int]:
    found = _PEER.fullmatch(text)
    if not found:
        raise BadInput("{given!r} is not HOST or HOST:PORT", given=text)
    return checked_host(found["host"]), checked_port(int(found["port"] or 5060))


def _agreed() -> bool:
    if not may_ask():
        raise BadInput("nobody can be asked: --yes does it, --dry-run only shows it")
    return confirm("Do this?")


def _tell(shown: list[str], done: list[str]) -> None:
    for about in done:
        console.print(plain(f"  done before: {about}"), soft_wrap=True, style="dim")
    for about in shown:
        console.print(plain(f"  will {about}"), soft_wrap=True)
    if not shown:
        console.print("everything is set up")


def _tell_result(wanted: Wanted, secrets: dict[str, str], paste: str, found: trials.Why, next_steps: list[str]) -> None:
    console.print("\nYour dialplan needs this:" if wanted.role == CLIENT else "\nThe PBX needs this:", style="bold")
    for line in paste.splitlines():
        console.print(plain(line), soft_wrap=True)
    for name, value in secrets.items():
        console.print(plain(f"{name} (shown once): {value}"), soft_wrap=True)
    said = "would be carried" if found.carried else f"would be refused: {found.reasons[0].words}"
    console.print()
    console.print(plain(f"Test: a call to {found.number} {said}"), soft_wrap=True)
    console.print("\nNext:", style="bold")
    for line in next_steps:
        console.print(plain(f"  {line}"), soft_wrap=True)


def _next_steps(place: Place, plan: dropin.Plan | None, wanted: Wanted, try_number: str, *, runs: bool) -> list[str]:
    """`runs`: the connector does already."""
    usual = place.settings == Path("/etc/asterisk-connector/connector.toml")
    command = "connector" if usual else f"connector --config {place.settings}"
    steps = list(plan.after) if plan else []
    if not place.start_command and not runs:
        steps.append(f"{command} serve")
    steps.append(f"{command} doctor")
    known = f"{try_number}, which nobody has, or " if try_number in first_setup.FICTITIOUS.values() else ""
    steps.append(f"dial {known}a number that you know, from a phone of the PBX")
    if wanted.number:
        steps.append(f"call {wanted.number} from outside")
    return steps


def _offer_to_start(place: Place, *, installed: bool) -> None:
    """Restart what has to be, if somebody is there who says so."""
    if not may_ask():
        return
    asterisk = shutil.which("asterisk")
    if installed and asterisk and confirm("Restart Asterisk as soon as no call is up?"):
        _done([asterisk, "-C", str(place.conf / "asterisk.conf"), "-rx", "core restart when convenient"])
    start = place.start_command
    if start and shutil.which(start.split()[0]) and confirm("Start the connector now, and at each boot?"):
        _done(["sh", "-c", start])


def _done(command: list[str]) -> None:
    ran = subprocess.run(command, check=False)
    if ran.returncode != 0:
        errors.print(plain(f"it failed: {' '.join(command)}"), soft_wrap=True)
