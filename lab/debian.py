"""Programs of Debian's that a machine may not have: fetched, unpacked into a folder of the lab's, installed nowhere."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab.errors import LabError


def unpacked(home: Path, packages: Sequence[str]) -> Path:
    """The folder with these packages in it, made if it is not there yet; whole or not at all."""
    if home.is_dir():
        return home
    making = home.with_name(home.name + ".making")
    subprocess.run(["rm", "-rf", str(making)], check=True)
    (making / "debs").mkdir(parents=True)
    fetch = ["apt-get", "download", "-q", *packages]
    if subprocess.run(fetch, cwd=making / "debs", capture_output=True, check=False).returncode != 0:
        subprocess.run(["apt-get", "update", "-q"], capture_output=True, check=False)
        ran = subprocess.run(fetch, cwd=making / "debs", capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            raise LabError(f"Debian's packages cannot be had: {ran.stderr.strip().splitlines()[-1:]}")
    for package in sorted((making / "debs").glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", str(package), str(making)], check=True)
    for path in [making, *making.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    subprocess.run(["rm", "-rf", str(making / "debs")], check=True)
    making.rename(home)
    return home
