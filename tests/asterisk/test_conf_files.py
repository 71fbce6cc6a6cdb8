"""Asterisk's config files as Asterisk reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.asterisk import conf_files

FILES = {
    "a.conf": """
        key = before any section
        [general] ; a comment
        port = 1 ; another
        Port => 2
        #include b.conf
        last = \\; no comment
        #tryinclude "missing.conf"
        #include sub/*.conf
        [made](first,second)
        own = yes
        [general](+)
        more = 1
        ;--
        port = 9 --; also = 2 ;-- not = 3 ;-- nested --; still --;
        ;--- a line of its own
        dash = a;-- block --;b ; the rest
    """,
    "b.conf": "port = 3\n[first](!)\ntype = x\nown = no\n[second](!)\nkind = y\n",
    "sub/1.conf": "[one]\na=1\n",
    "sub/2.conf": "b=2\n[two]\n",
    "loop.conf": "[loop]\na=1\n#include loop.conf\nb=2\n",
}


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """A config folder."""
    (tmp_path / "sub").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


OPTIONS = [
    ("a.conf", "general", "port", "3"),  # the last counts; an included file goes on in the section
    ("a.conf", "general", "last", ""),  # which ends where the included file begins another
    ("a.conf", "second", "last", "\\; no comment"),
    ("a.conf", "one", "b", "2"),
    ("a.conf", "made", "type", "x"),
    ("a.conf", "made", "kind", "y"),
    ("a.conf", "made", "own", "yes"),
    ("a.conf", "general", "more", "1"),
    ("a.conf", "general", "also", "2"),
    ("a.conf", "general", "not", ""),
    ("a.conf", "general", "dash", "ab"),
    ("a.conf", "nobody", "port", ""),
    ("missing.conf", "general", "port", ""),
    ("loop.conf", "loop", "b", "2"),
    ("../../etc/passwd", "general", "port", ""),
]


@pytest.mark.parametrize(("name", "section", "key", "value"), OPTIONS)
def test_an_option_is_what_asterisk_reads(etc: Path, name: str, section: str, key: str, value: str) -> None:
    """Sections, templates, additions, included files, patterns, the last value of several; "" where there is none."""
    assert conf_files.option(etc, name, section, key) == value


def test_a_folder_can_be_left_out(etc: Path) -> None:
    """What we wrote ourselves is not the admin's."""
    assert conf_files.option(etc, "a.conf", "one", "b", without=etc / "sub") == ""
    assert {"made", "general"} <= {each.name for each in conf_files.sections(etc, "a.conf", etc / "sub")}


def test_included_files_are_known_whether_they_are_there_or_not(etc: Path) -> None:
    """So that it can be said that nothing includes a file."""
    found = conf_files.includes(etc, "a.conf")
    assert found == {etc / name for name in ("a.conf", "b.conf", "missing.conf", "sub/1.conf", "sub/2.conf")}
