"""schemathesis asks the REST API everything that its document allows, and much that it does not."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from connector.billing import ledger
from tests.web.conftest import Town

EXAMPLES = 12
PATIENCE_S = 60


@pytest.fixture
def address(make_client: Callable[[], TestClient[Any, Any]]) -> Iterator[str]:
    """Where the application listens, on a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def begin() -> TestClient[Any, Any]:
        """The application, listening."""
        found = make_client()
        await found.start_server()
        return found

    client = asyncio.run_coroutine_threadsafe(begin(), loop).result(PATIENCE_S)
    yield str(client.make_url("")).rstrip("/")
    asyncio.run_coroutine_threadsafe(client.close(), loop).result(PATIENCE_S)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(PATIENCE_S)
    loop.close()


def test_the_api_is_as_its_document_says(address: str, town: Town, tmp_path: Path) -> None:
    """No 500, no answer that is not documented, nothing accepted that is not, nothing refused without saying so."""
    words = ["run", f"{address}/api/openapi.json"]
    words += ["-H", f"Authorization: Bearer {town.tokens['house']}", "--max-examples", str(EXAMPLES), "--seed", "7"]
    words += ["--request-timeout", str(PATIENCE_S)]  # it runs while others leave it a processor (lab/testing.py)
    said = subprocess.run(
        [str(Path(sys.executable).parent / "schemathesis"), *words],
        capture_output=True,
        text=True,
        timeout=20 * PATIENCE_S,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
        cwd=tmp_path,
    )
    assert said.returncode == 0, said.stdout[-8000:] + said.stderr[-2000:]
    assert ledger.verify().problems == []
