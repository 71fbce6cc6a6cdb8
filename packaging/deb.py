"""Builds the Debian package, with Debian's dpkg-deb, for the Debian that this runs on: python3 packaging/deb.py DIR

It needs python3-venv, and git or $SOURCE_DATE_EPOCH. The package has a Python environment of its own in
/usr/lib/asterisk-connector, of requirements-service.lock, for the Python of that Debian (3.11 of Debian 12, 3.14 of
forky). Built again from the same commit on the same Debian it is the same, byte for byte.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
NAME = "asterisk-connector"
HOME = Path("/usr/lib") / NAME
UNITS = Path("/usr/lib/systemd/system")
PYTHON = Path("/usr/bin/python3")
_CONTROL = """\
Package: {name}
Version: {version}
Architecture: {architecture}
Maintainer: Connector for Asterisk <connector@invalid>
Installed-Size: {size}
Depends: adduser, init-system-helpers, python{python}, python3 (>= {python}), ca-certificates
Recommends: asterisk (>= 1:22.10.1), logrotate
Section: comm
Priority: optional
Description: prepaid SIP profiles for Asterisk
 Gives a company's PBX a SIP profile on the Asterisk that runs here: so many
 simultaneous channels, prepaid credit, numbers, and a record of every call.
 .
 "connector setup" does what is needed for a first call.
"""
# No unit is enabled before there are settings: `connector setup` does that.
_POSTINST = """\
#!/bin/sh
set -e
if [ "$1" = configure ]; then
	adduser --quiet --system --group --no-create-home --home /var/lib/{name} {name}
	if getent group asterisk >/dev/null; then
		adduser --quiet {name} asterisk
	fi
	# What is there already may belong to another user, by `connector install --user`.
	[ -e /var/lib/{name} ] || install -d -o {name} -g {name} -m 750 /var/lib/{name}
	[ -e /etc/{name} ] || install -d -o root -g {name} -m 750 /etc/{name}
	{home}/bin/python -m compileall -q {home}/lib || true
	if [ -d /run/systemd/system ]; then
		systemctl --system daemon-reload || true
		# Calls go on: they are Asterisk's.
		[ -z "$2" ] || deb-systemd-invoke try-restart {units} || true
	elif [ -n "$2" ] && [ -x /etc/init.d/{name} ]; then
		invoke-rc.d {name} try-restart || true
	fi
	[ -n "$2" ] || echo "'connector setup' does what is needed for a first call"
fi
"""
_PRERM = """\
#!/bin/sh
set -e
if [ "$1" = remove ]; then
	if [ -d /run/systemd/system ]; then
		deb-systemd-invoke stop {units} || true
	elif [ -x /etc/init.d/{name} ]; then
		invoke-rc.d {name} stop || true
	fi
	if [ -d /etc/asterisk/connector ]; then
		echo "our files are still in Asterisk's config: 'connector uninstall' before the removal takes them out" >&2
	fi
fi
find {home}/lib -name __pycache__ -type d -prune -exec rm -rf {{}} +
"""
_POSTRM = """\
#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
	systemctl --system daemon-reload || true
fi
if [ "$1" = purge ]; then
	for unit in {units}; do
		rm -f "/etc/systemd/system/multi-user.target.wants/$unit"
	done
	for left in /etc/{name} /var/lib/{name}; do
		rmdir --ignore-fail-on-non-empty "$left" 2>/dev/null || true
		[ ! -d "$left" ] || echo "$left stays: it has the company's accounts, or secrets; remove it yourself" >&2
	done
fi
"""
_TMPFILES = """\
d /var/lib/{name} :0750 :{name} :{name} -
d /etc/{name} :0750 :root :{name} -
"""
_SYSUSERS = 'u {name} - "Connector for Asterisk" /var/lib/{name}\n'

_COMPLETIONS = {
    "bash": "bash-completion/completions/connector",
    "zsh": "zsh/vendor-completions/_connector",
    "fish": "fish/vendor_completions.d/connector.fish",
}


def version() -> str:
    """The version, which stands in connector/__init__.py and nowhere else."""
    found = re.search(
        r'^__version__ = "([0-9][0-9.]*)"$', (PROJECT / "connector/__init__.py").read_text(), re.MULTILINE
    )
    if found is None:
        raise SystemExit("connector/__init__.py has no version")
    return found.group(1)


def epoch() -> int:
    """The time of everything in the package: $SOURCE_DATE_EPOCH, else the commit's."""
    said = os.environ.get("SOURCE_DATE_EPOCH")
    return int(said or _run("git", "-C", str(PROJECT), "log", "-1", "--format=%ct"))


def build(out: Path) -> Path:
    """Build the package into a folder; its path."""
    if not PYTHON.exists() or shutil.which("dpkg-deb") is None:
        raise SystemExit("this is no Debian: the package is built by dpkg-deb, with /usr/bin/python3")
    out.mkdir(parents=True, exist_ok=True)
    architecture = _run("dpkg", "--print-architecture")
    python = _run(str(PYTHON), "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "root"
        root.mkdir(mode=0o755)
        _environment(Path(scratch), root, python)
        _files(root)
        _maintainer_scripts(root, architecture, python)
        made = out / f"{NAME}_{version()}+py{python}_{architecture}.deb"
        _same_times(root)
        env = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch())}
        _run("dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(root), str(made), env=env)
    return made


def _environment(scratch: Path, root: Path, python: str) -> None:
    """A Python environment that will stand in HOME, with what the lock names and the connector."""
    tools, made = scratch / "tools", root / HOME.relative_to("/")
    _run(str(PYTHON), "-m", "venv", str(tools))
    _run(str(PYTHON), "-m", "venv", "--without-pip", "--symlinks", str(made))
    pip = [str(tools / "bin/pip"), "--quiet", "--python", str(made / "bin/python"), "install", "--no-compile"]
    _run(*pip, "--require-hashes", "-r", str(PROJECT / "requirements-service.lock"))
    copy = scratch / "source"  # a build leaves files behind
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        copy.mkdir(exist_ok=True)
        shutil.copy(PROJECT / name, copy / name)
    shutil.copytree(PROJECT / "connector", copy / "connector", ignore=shutil.ignore_patterns("__pycache__"))
    _run(*pip, "--no-deps", "--no-build-isolation", str(copy))
    _run(*pip[:-2], "uninstall", "--yes", "setuptools")
    site = made / "lib" / f"python{python}" / "site-packages"
    for left in (*site.rglob("__pycache__"), *site.glob("asterisk_connector-*/direct_url.json"), made / "share"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()  # the second has this machine's path
    for script in (made / "bin").iterdir():
        script.unlink()
    for name in ("python", "python3"):
        (made / "bin" / name).symlink_to(f"/usr/bin/python{python}")
    (made / "lib64").unlink(missing_ok=True)
    shutil.rmtree(made / "include", ignore_errors=True)
    (made / "pyvenv.cfg").write_text(f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {python}\n")
    for record in site.glob("*.dist-info/RECORD"):
        lines = [line for line in record.read_text().splitlines() if _is_there(site, line) and "RECORD" not in line]
        record.write_text("\n".join(sorted(lines)) + "\n")


def _is_there(site: Path, line: str) -> bool:
    return (site / line.partition(",")[0]).exists()


def _files(root: Path) -> None:
    """The command, its manual page and what shells complete, the units, the folders, the licence."""
    _write(root / "usr/bin/connector", f"#!{HOME}/bin/python -P\nfrom connector.cli import main\n\nmain()\n", 0o755)
    python = root / HOME.relative_to("/") / "bin/python"
    words = {
        "user": NAME,
        "group": NAME,
        "asterisk_group": "asterisk",
        "python": f"{HOME}/bin/python",
        "settings": f"/etc/{NAME}/connector.toml",
        "store": f"/var/lib/{NAME}",
        "generated": "/etc/asterisk/connector/generated",
        "protect_home": "yes",
    }
    code = (
        f"import json; from connector.asterisk.dropin import install; print(json.dumps(install.unit_texts({words!r})))"
    )
    for name, text in json.loads(_run(str(python), "-B", "-P", "-c", code)).items():
        _write(root / UNITS.relative_to("/") / name, text)
    _write(root / f"usr/lib/tmpfiles.d/{NAME}.conf", _TMPFILES.format(name=NAME))
    _write(root / f"usr/lib/sysusers.d/{NAME}.conf", _SYSUSERS.format(name=NAME))
    share = root / "usr/share"
    page = _run(str(python), "-B", "-P", "-c", "from connector.cli import manual; print(manual.page())")
    manual = share / "man/man1/connector.1.gz"
    _write(manual, "")
    manual.write_bytes(gzip.compress(f"{page}\n".encode(), mtime=0))
    for shell, place in _COMPLETIONS.items():
        env = {**os.environ, "_CONNECTOR_COMPLETE": f"source_{shell}"}
        script = _run(str(python), "-B", "-P", str(root / "usr/bin/connector"), env=env)
        # zsh runs the file when something is completed for the first time.
        _write(share / place, f'{script}\n_connector_completion "$@"\n' if shell == "zsh" else f"{script}\n")
    documents = share / f"doc/{NAME}"
    _write(documents / "copyright", (PROJECT / "LICENSE").read_text())
    _write(documents / "connector.toml", (PROJECT / "connector/sample-settings.toml").read_text())
    for path in (PROJECT / "CHANGELOG.md", *sorted((PROJECT / "docs").glob("*.md"))):
        _write(documents / path.name, path.read_text())


def _maintainer_scripts(root: Path, architecture: str, python: str) -> None:
    folder = root / "DEBIAN"
    units = " ".join(sorted(path.name for path in (root / UNITS.relative_to("/")).iterdir()))
    words = {"name": NAME, "home": HOME, "units": units}
    for name, text in (("postinst", _POSTINST), ("prerm", _PRERM), ("postrm", _POSTRM)):
        _write(folder / name, text.format(**words), 0o755)
    files = sorted(path for path in _shipped(root) if path.is_file() and not path.is_symlink())
    sums = [f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(root)}\n" for path in files]  # dpkg's own
    _write(folder / "md5sums", "".join(sums))
    size = sum(path.stat().st_size for path in files) // 1024
    version_here = f"{version()}+py{python}"
    control = {"name": NAME, "version": version_here, "architecture": architecture, "size": size, "python": python}
    _write(folder / "control", _CONTROL.format(**control))


def _shipped(root: Path) -> Iterator[Path]:
    return (path for path in root.rglob("*") if "DEBIAN" not in path.relative_to(root).parts)


def _same_times(root: Path) -> None:
    """Everything has the same time, and a mode that does not depend on who built it."""
    when = epoch()
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        os.utime(path, (when, when), follow_symlinks=False)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def _run(*command: str, env: dict[str, str] | None = None) -> str:
    """What a program printed. SystemExit, with what it said, if it failed."""
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if ran.returncode != 0:
        lines = ran.stderr.strip().splitlines()
        raise SystemExit(f"error: {' '.join(command[:4])}: {lines[-1] if lines else ran.returncode}")
    return ran.stdout.strip()


if __name__ == "__main__":
    if len(sys.argv) != 2 or platform.system() != "Linux":
        raise SystemExit("usage: python3 packaging/deb.py DIR")
    sys.stdout.write(f"{build(Path(sys.argv[1]))}\n")
