"""Holds the shape of the house: who may import whom, what a module says of itself, what must never stand in a file.

A failure says where the line belongs instead.
"""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
MODULES = sorted((PROJECT / "connector").rglob("*.py"))
EDGES = {"ari_app", "agi", "web"}
# What each part may import of our own, besides itself, connector.errors and (but for core) connector.clock and config.
RECORDS = {"database", "people", "routing", "notices", "billing"}
MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    "database": {"core"},
    "people": {"core", "database"},
    "routing": {"core", "database"},
    "notices": {"core", "database"},
    "billing": {"core", "database", "routing", "notices"},
    "asterisk": {"core", *RECORDS, "storage"},
    "ari_app": {"core", *RECORDS},
    "agi": {"core", *RECORDS},
    "web": {"core", *RECORDS},
    "storage": {"core", *RECORDS},
    "service": {"core", *RECORDS, "asterisk", "ari_app", "agi", "web", "storage"},
    "cli": {"core", *RECORDS, "asterisk", "service", "storage"},
    "config": {"core"},
    "clock": set(),
    "errors": {"words"},
    "words": set(),
    "__main__": {"cli"},
    "__init__": set(),
}
# Between the modules of a package: these import only those named, of their own package.
WITHIN: dict[str, dict[str, set[str]]] = {
    "asterisk": {
        "ami": set(),
        "apply": {"files", "pjsip", "plan"},
        "ari_http": set(),
        "accounts": {"conf_files"},
        "certificate": set(),
        "conf_files": set(),
        "dialplan_files": {"conf_files"},
        "dropin": {"accounts", "conf_files", "templates"},
        "files": set(),
        "pjsip": set(),
        "plan": {"pjsip"},
        "reaching": set(),
        "sip_copies": set(),
        "templates": set(),
        "voicemail": {"files"},
    },
    "storage": {
        "apart": {"stores"},
        "stores": set(),
        "writer": set(),
        "readers": set(),
        "backup": set(),
        "moving": {"backup"},
        "timemachine": set(),
    },
}
# Peewee's own idiom, and functions inside others whose outer one speaks for them.
SILENT = {"Meta", "call", "overview"}
IMPURE = {
    "asyncio",
    "peewee",
    "playhouse",
    "time",
    "random",
    "socket",
    "pathlib",
    "os",
    "aiohttp",
    "secrets",
    "logging",
}


def part_of(path: Path) -> str:
    """The part of the house that a module belongs to."""
    return path.relative_to(PROJECT / "connector").parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """The modules that a file imports, in full."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_arrows_point_one_way(path: Path) -> None:
    """Edges import records and core, records import core, core imports nobody; edges do not import each other."""
    part = part_of(path)
    always = {part, "errors", "words"} | (set() if part == "core" else {"clock", "config"})
    if path.is_relative_to(PROJECT / "connector" / "database" / "migrations"):
        always = set()  # a migration is a frozen copy: it must not change when a model does
    for name in imports(path):
        if name.startswith("connector.") and name != "connector.__version__":
            target = name.split(".")[1]
            if target == part in WITHIN:
                within(path, part, name)
            assert target in MAY_IMPORT[part] | always, (
                f"{path.name} imports {name}: {part} may not know {target}. Move what it needs to where both may look: "
                f"a decision to core, a transaction to one of {sorted(RECORDS)}, the wiring to service."
            )


def within(path: Path, part: str, name: str) -> None:
    """A module imports of its own package what it may."""
    module = path.relative_to(PROJECT / "connector" / part).parts[0].removesuffix(".py")
    target = name.split(".")[2]
    assert target in {module, *WITHIN[part][module]}, f"{path.name} imports {name}: {module} may not know {target}"


@pytest.mark.parametrize("path", [path for path in MODULES if part_of(path) == "core"], ids=lambda path: path.name)
def test_core_is_pure(path: Path) -> None:
    """The core has no clock, no files, no sockets, no store: it takes values and gives values."""
    bad = {name.split(".")[0] for name in imports(path)} & IMPURE
    assert not bad, f"{path.name} imports {bad}: pass the value in, or move the line to the records or to an edge"


def test_json_of_ari_is_seen_in_one_place() -> None:
    """Only events.py knows what Asterisk's events look like."""
    for path in MODULES:
        if path.name not in ("events.py", "client.py"):
            assert 'dialplan"]' not in path.read_text(), f"{path.name}: parse ARI's JSON in ari_app/events.py"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_modules_and_public_functions_explain_themselves(path: Path) -> None:
    """Every module, public class and public function has a docstring."""
    tree = ast.parse(path.read_text())
    if "migrations" not in path.parts:
        assert ast.get_docstring(tree), f"{path.name}: say what it owns, what it never does, who its neighbour is"
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith(
                "_"
            ):
                assert ast.get_docstring(node) or node.name in SILENT, (
                    f"{path.name}:{node.lineno}: {node.name} says nothing"
                )


def test_no_floats_near_money_and_time() -> None:
    """The core and the records use integers: milliseconds, micros, channels."""
    for path in MODULES:
        if part_of(path) in {"core", *RECORDS}:
            assert not re.search(r"\bfloat\b", re.sub(r"#.*", "", path.read_text())), f"{path.name} has a float"


def test_no_file_is_called_after_nothing() -> None:
    """No utils, helpers, common, managers: a newcomer could not guess what is in them."""
    names = {path.stem for path in MODULES}
    assert not names & {"utils", "util", "helpers", "common", "misc", "managers", "manager", "base"}


def test_no_address_of_a_registry_and_no_path_of_a_machine() -> None:
    """Lock files pin by hash and name no host; nothing names a folder of the machine it was written on."""
    listed = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        text = (PROJECT / name).read_text(errors="replace")
        assert (
            not re.search(r"--(extra-)?index-url|--find-links", text) or name == "Makefile" or name.startswith("tests/")
        ), name
        assert str(PROJECT) + "/" not in text, name
    for name in ("requirements.lock", "requirements-service.lock", "requirements-api-client.lock"):
        lock = (PROJECT / name).read_text()
        assert "://" not in lock
        assert lock.count("--hash=sha256:") > 100
