"""A web server that is posted to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.service.posting import Hook


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    """A web server."""
    made = Hook()
    app = web.Application()
    app.router.add_post("/notices", made.take)
    async with TestServer(app) as server:
        made.url = str(server.make_url("/notices"))
        yield made
