"""The connection to AMI: what happens when the program stops while it is being made."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from pydantic import SecretStr

from connector.asterisk.ami import AmiLink
from connector.config import AmiSettings


def test_to_stop_while_it_connects_is_no_defect(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No Traceback is logged, and it is not tried again."""
    tried = []
    begun = asyncio.Event()

    async def hangs(*words: Any, **more: Any) -> Any:
        """Asterisk's host answers nothing."""
        tried.append(words)
        begun.set()
        await asyncio.Event().wait()

    async def stopped() -> None:
        """The link runs, and the program ends."""
        monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", hangs)
        link = AmiLink(AmiSettings(user="connector", password=SecretStr("secret")))
        running = asyncio.create_task(link.run())
        await begun.wait()
        running.cancel()

    with caplog.at_level(logging.WARNING):
        asyncio.run(stopped())
    assert [record.getMessage() for record in caplog.records] == []
    assert len(tried) == 1
