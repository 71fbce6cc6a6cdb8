"""What the shell offers for a word that is begun: the names of profiles and trunks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from connector.billing import profiles
from connector.cli.opening import open_store
from connector.cli.output import settings_path
from connector.errors import ConnectorError
from connector.routing import trunks


def _beginning(ctx: typer.Context, incomplete: str, names: Callable[[], list[str]]) -> list[str]:
    """Those that begin so; none if there is no store, or not for this login: a shell has no place for an error."""
    settings_path[0] = ctx.find_root().params.get("settings")
    try:
        open_store()
        return sorted(name for name in names() if name.startswith(incomplete))
    except (ConnectorError, OSError):
        return []


def profile_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """The names of profiles that begin so."""
    return _beginning(ctx, incomplete, lambda: [each.name for each in profiles.list_profiles()])


def trunk_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """The names of trunks that begin so."""
    return _beginning(ctx, incomplete, lambda: [each.name for each in trunks.list_trunks()])


Profile = Annotated[str, typer.Argument(autocompletion=profile_names)]
Trunk = Annotated[str, typer.Argument(autocompletion=trunk_names)]
