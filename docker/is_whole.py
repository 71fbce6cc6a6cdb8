"""A step of the image's build: 1, with the first of them, if files that pip has installed are not there.

A storage driver of an engine may lose a file of a layer (seen with fuse-overlayfs): then the build ends here, and not a
program that begins, or a call.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path


def missing(packages: Path) -> list[str]:
    """The files that the packages in a folder should have, by their own lists, and do not have."""
    lists = sorted(packages.glob("*.dist-info/RECORD"))
    if not lists:
        return [str(packages / "*.dist-info" / "RECORD")]
    return [
        name
        for each in lists
        for name, *_ in csv.reader(each.read_text(encoding="utf-8").splitlines())
        if not (packages / name).exists()
    ]


def main(folder: str) -> int:
    """Look through every `site-packages` below a folder."""
    places = sorted(Path(folder).glob("lib/python3*/site-packages"))
    lost = [name for place in places for name in missing(place)]
    if places and not lost:
        return 0
    first = lost[0] if lost else "all of them"
    sys.stderr.write(
        f"The image is not whole: {len(lost)} installed files are missing, such as {first}.\n"
        "Build it again without the cache: docker compose build --no-cache connector\n"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
