"""What the shell offers for a word that is begun: the names of profiles and trunks."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated

import typer

from connector.billing import profiles
from connector.cli.opening import open_store
from connector.cli.output import settings_path
from connector.errors import ConnectorError
from connector.routing import trunks

# What a shell inserts as it is. A company chooses the names of its profiles, and zsh evaluates what it is offered: of a
# name with anything else in it the user name is offered, which is ours.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)


def _beginning(ctx: typer.Context, incomplete: str, names: Callable[[], list[str]]) -> list[str]:
    """Those that begin so. None if the store cannot be opened: in a line that is typed, no error can be shown."""
    settings_path[0] = ctx.find_root().params.get("settings")
    try:
        open_store()
        return sorted(name for name in names() if name.startswith(incomplete) and _PLAIN.fullmatch(name))
    except (ConnectorError, OSError):
        return []


def profile_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """The names of profiles that begin so."""

    def names() -> list[str]:
        """Each by its name, or by its user name."""
        return [each.name if _PLAIN.fullmatch(each.name) else each.username for each in profiles.list_profiles()]

    return _beginning(ctx, incomplete, names)


def trunk_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """The names of trunks that begin so."""
    return _beginning(ctx, incomplete, lambda: [each.name for each in trunks.list_trunks()])


Profile = Annotated[str, typer.Argument(autocompletion=profile_names)]
Trunk = Annotated[str, typer.Argument(autocompletion=trunk_names)]
