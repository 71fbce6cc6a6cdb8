"""`connector move-to`: the store into PostgreSQL, or back into a file."""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from connector import config
from connector.asterisk.dropin.install import runs_as
from connector.cli import opening
from connector.cli.accounts import acting_as, as_ourselves
from connector.cli.dropin import DryRun
from connector.cli.output import AsJson, as_dict, console, errors, now, plain, print_json, print_one, read_file
from connector.config import Settings, StoreSettings
from connector.errors import BadInput
from connector.service.running import alone
from connector.storage import moving, stores

app = typer.Typer()
_SCHEME = "postgresql://"


@app.command("move-to")
def move_to(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="postgresql://USER@HOST/DATABASE, or a file.")],
    password_file: Annotated[
        Path | None, typer.Option(help="A file with the database's password; - for the input.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Copy the key of the secrets to here, and use it there.")] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Move everything to another store, and use that from then on. The connector must not run; calls that are up go on.

    The copy is proven: every balance adds up, and the chains of the ledger end as they did. The old store is kept. A
    database must be new, and its user must be allowed to create tables. A dry run may be made while the connector runs.
    """
    ours, file = opening.settings(), opening.settings_file()
    old = ours.store
    lines = _lines(target, password_file, key or old.key_path)
    was = file.read_text()
    text = config.with_store(was, lines)
    new = config.parsed(text, file).store
    if (new.path, new.url) == (old.path, old.url):
        raise BadInput("that is the store in use")
    if not os.access(file, os.W_OK):
        raise BadInput("{file} cannot be written: do this as root, who starts nothing by it", file=file)
    if dry_run:
        _rehearse(ours, new, key, as_json=as_json)
        return
    with ExitStack() as stack, acting_as(runs_as(ours)):
        for each in (old, new):
            stack.enter_context(alone(each.path))
        if key is not None:
            _copy_key(old, key)
        moment = now()
        source, into = stores.opened(old), stores.opened(new)
        stack.callback(source.close)
        stack.callback(into.close)
        beside = [each.path.parent for each in (new, old) if each.path]  # it is renamed into the new one's place
        try:
            view = moving.move(source, into, beside[0] if beside else None, moment, lambda: _switch(file, was, text))
        except BaseException:
            _switch_back(file, was, text)
            raise
        kept = moving.put_aside(source, moment)
    view = replace(view, source=str(kept)) if kept else view
    if as_json:
        print_json(as_dict(view))
        return
    print_one(as_dict(view), as_json=False)
    console.print(
        plain(f"Start the connector: it works with {view.target}. {view.source} is kept as it was."), soft_wrap=True
    )


def _rehearse(ours: Settings, new: StoreSettings, key: Path | None, *, as_json: bool) -> None:
    """Whether it could be moved; the connector may run meanwhile."""
    with ExitStack() as stack, acting_as(runs_as(ours)):
        if new.path is not None and new.path.exists():
            stack.enter_context(alone(new.path))
        if key is not None:
            _check_key(ours.store, key)
        source, into = stores.opened(ours.store), stores.opened(new)
        beside = [each.path.parent for each in (new, ours.store) if each.path]
        try:
            found = moving.rehearse(source, into, beside[0] if beside else None)
        finally:
            into.close()
            source.close()
    if as_json:
        print_json({"done": False, **as_dict(found)})
        return
    print_one(as_dict(found), as_json=False)
    console.print("nothing was changed: it could be moved as soon as the connector is stopped")


def _lines(target: str, password_file: Path | None, key: Path) -> list[str]:
    """The lines of [store]. A JSON string is a TOML string too."""
    if not target.startswith(_SCHEME):
        if "://" in target or password_file is not None:
            raise BadInput(
                "a target is {scheme}USER@HOST/DATABASE, with a password file or not, or the path of a file",
                scheme=_SCHEME,
            )
        return [f"path = {json.dumps(str(Path(target).absolute()))}", f"key = {json.dumps(str(key.absolute()))}"]
    lines = [f"url = {json.dumps(target)}", f"key = {json.dumps(str(key.absolute()))}"]
    if password_file is not None:
        word = sys.stdin.read(10_000) if str(password_file) == "-" else read_file(password_file, 10_000)
        lines.append(f"password = {json.dumps(word.strip())}")
    return lines


def _check_key(old: StoreSettings, key: Path) -> bytes:
    """The key. BadInput if another one is there already, or none can be put there."""
    word = old.key_path.read_bytes()
    if key.exists() and key.read_bytes() != word:
        raise BadInput("{key} is there already, and is another key", key=key)
    if not key.exists() and not os.access(key.parent, os.W_OK | os.X_OK):
        raise BadInput(
            "the folder {parent} is not there, or may not be written to by the connector's user", parent=key.parent
        )
    return word


def _copy_key(old: StoreSettings, key: Path) -> None:
    """Put the key there. BadInput as above."""
    word = _check_key(old, key)
    if not key.exists():
        with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as made:
            made.write(word)


def _switch(file: Path, was: str, text: str) -> None:
    """Name the new store in the settings; what they were is kept beside them."""
    as_ourselves(lambda: _replace(file.with_name(f"{file.name}.before-move"), was, file))
    as_ourselves(lambda: _replace(file, text, file))


def _switch_back(file: Path, was: str, text: str) -> None:
    """The old store stays in use: its commit failed, or the command was ended, after the settings were written."""
    try:
        if file.read_text() == text:
            as_ourselves(lambda: _replace(file, was, file))
    except OSError as error:
        advice = f"put {file}.before-move in its place, and start the connector after that"
        errors.print(plain(f"{file} cannot be written ({error.strerror}): {advice}"), soft_wrap=True)


def _replace(file: Path, text: str, like: Path) -> None:
    """Write settings at once, with the owner and mode of a file that is there. No link is followed."""
    known = like.stat()
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as made:
        os.fchown(made.fileno(), known.st_uid, known.st_gid)
        os.fchmod(made.fileno(), known.st_mode & 0o7777)
        made.write(text)
        made.flush()
        os.fsync(made.fileno())
    new.rename(file)
