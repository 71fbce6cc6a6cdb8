"""A client of the REST API, generated from its own document by openapi-python-client, as others would have it.

The generator wants an earlier Typer than the connector does, so it has an environment of its own.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from lab.errors import LabError
from lab.instance import PROJECT

_LOCK = PROJECT / "requirements-api-client.lock"


def environment(folder: Path) -> Path:
    """The Python that can generate and use a client; the environment in `folder` is made if it is missing or another
    lock's. LabError.
    """
    python, ready = folder / "bin" / "python", folder / "made-of.lock"
    if ready.is_file() and ready.read_text() == _LOCK.read_text():
        return python
    _run([sys.executable, "-m", "venv", "--clear", str(folder)])
    _run(
        [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes", "-r", str(_LOCK)]
    )
    ready.write_text(_LOCK.read_text())
    return python


def generate(python: Path, document: Path, folder: Path) -> str:
    """Write the client of a document into a package; what the generator said, which is one line if nothing is missing.
    LabError.
    """
    words = ["--path", str(document), "--output-path", str(folder), "--meta", "none", "--overwrite"]
    path = f"{python.parent}:/usr/bin:/bin"  # it formats what it wrote by ruff
    return _run([str(python.parent / "openapi-python-client"), "generate", *words], PATH=path)


def _run(command: list[str], **env: str) -> str:
    ran = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env=env or None
    )
    if ran.returncode != 0:
        raise LabError(f"{command[0]} failed: {ran.stdout.strip()[-500:]}")
    return ran.stdout
