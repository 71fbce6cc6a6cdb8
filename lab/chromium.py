"""Debian's Chromium, driven by Playwright, for tests of the pages: installed if it is missing and we are root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from lab.errors import LabError
from lab.root import new_enough

OLDEST = (120,)
_INSTALL = ["apt-get", "install", "-q", "-y", "--no-install-recommends", "chromium", "fonts-dejavu-core"]
# It runs as root here, has no screen, and asks nobody beyond this machine for anything.
_WORDS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    # Its microphone beeps once a second, and pages may use it.
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)


def program() -> Path:
    """Where it is. LabError if it is missing and cannot be installed."""
    found = new_enough("chromium", "--version", OLDEST)
    if found is None:
        if os.getuid() != 0:
            raise LabError("Debian's chromium is missing or too old: ask root for 'apt-get install chromium'")
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        if subprocess.run(_INSTALL, capture_output=True, check=False, env=env).returncode != 0:
            subprocess.run(["apt-get", "update", "-q"], capture_output=True, check=False)
            ran = subprocess.run(_INSTALL, capture_output=True, text=True, check=False, env=env)
            if ran.returncode != 0:
                raise LabError(f"chromium cannot be installed: {ran.stderr.strip().splitlines()[-1:]}")
        found = new_enough("chromium", "--version", OLDEST)
    if found is None:
        raise LabError("chromium was installed, and is not there")
    return found


@contextmanager
def running() -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(program()), args=list(_WORDS))
        try:
            yield browser
        finally:
            browser.close()
