"""What becomes of config when Asterisk goes away while it loads it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from connector.asterisk import pjsip
from connector.asterisk.apply import Configurator
from connector.billing.profiles import Credentials
from connector.config import SipSettings
from connector.errors import AriUnavailable
from tests.conftest import FixedClock


class GoesAway:
    """An Asterisk that restarts as it is told to load; the real one cannot be stopped at that very moment."""

    async def reload(self, module: str) -> None:
        """It goes."""
        raise AriUnavailable("Asterisk cannot be asked")

    async def read(self, kind: str, name: str) -> dict[str, str] | None:
        """It has nothing of ours."""
        return None

    async def endpoint_states(self) -> dict[str, str]:
        """None."""
        return {}


def test_an_asterisk_that_goes_away_meanwhile_refused_nothing(
    office: Credentials, clock: FixedClock, tmp_path: Path
) -> None:
    """It is said to be away, which is tried again, and not to have refused, which is not; the old file is in place."""

    folder = tmp_path / "generated"
    configurator = Configurator(SipSettings(generated=folder), GoesAway(), clock)
    wanted = configurator.wanted()
    with pytest.raises(AriUnavailable):
        asyncio.run(configurator.apply(wanted, "connector", unattended=True))
    assert (folder / pjsip.FILE_NAME).read_text() == ""
    assert [step.outcome for step in configurator.history()] == ["Asterisk cannot be asked"]
    assert asyncio.run(configurator.plan(wanted)).changes
