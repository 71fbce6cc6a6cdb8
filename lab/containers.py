"""`make test-containers`: builds the images of docker/, starts docker/compose.yaml, and lets tests call from outside.

The base image is made here, of Debian's packages: no registry is needed. Callers run in another network namespace, so
their calls come by the published ports from another address, as on a real network.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import process
from lab.errors import LabError
from lab.instance import PROJECT
from lab.root import SUITE, find_mmdebstrap

BASE = f"connector-test-base:{SUITE}"
# A Debian whose systemd still runs where the kernel has the first kind of control groups, which later ones refuse.
SYSTEMD_SUITE = "bookworm"
WITH_SYSTEMD = f"connector-test-systemd:{SYSTEMD_SUITE}"
_OF_A_MACHINE = (
    "systemd", "systemd-sysv", "dbus", "python3", "python3-venv", "adduser", "procps", "init-system-helpers",
    "logrotate",
)  # fmt: skip
NAME = "connectortest"
NAMESPACE, ENDS = "connector-outside", ("connector-o0", "connector-o1")
# Of the networks that nothing but tests of equipment has (RFC 2544).
MACHINE, PBX, CARRIER = "198.18.77.1", "198.18.77.2", "198.18.77.3"
NETWORK = "198.18.78"
_NEW_NETWORK = 0x40000000  # CLONE_NEWNET of setns(2)


def compose_command() -> tuple[str, ...]:
    """The words that call Compose 2, or the older docker-compose. LabError without a Docker Engine."""
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "info"], capture_output=True, check=False).returncode != 0:
        raise LabError("no Docker Engine answers here: the containers cannot be tested (apt-get install docker.io)")
    if subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0:
        return (docker, "compose")
    old = shutil.which("docker-compose")
    if old is None:
        raise LabError("there is no Docker Compose here (apt-get install docker-compose)")
    return (old,)


def build(stack: Stack) -> None:
    """Build every image. One that the engine's storage has lost files of (docker/is_whole.py) is built anew, once."""
    every = {"COMPOSE_PROFILES": "kamailio"}
    try:
        stack.do("build", env=every)
    except LabError as error:
        if "is_whole.py" not in str(error):
            raise
        print(f"  {error}\n  building it again", flush=True)
        stack.do("build", "--no-cache", "connector")
        stack.do("build", env=every)


def make_base() -> None:
    """The image that stands for debian:forky-slim, if it is not there yet; about 30 s."""
    _make_image(BASE, SUITE, ())


def make_systemd() -> None:
    """The image of a machine that systemd starts, if it is not there yet; about a minute."""
    _make_image(WITH_SYSTEMD, SYSTEMD_SUITE, _OF_A_MACHINE)


def _make_image(name: str, suite: str, packages: Sequence[str]) -> None:
    if subprocess.run(["docker", "image", "inspect", name], capture_output=True, check=False).returncode == 0:
        return
    print(f"  making an image of Debian's packages, {name}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        tar = Path(folder) / "base.tar"
        command = [
            find_mmdebstrap(), "--variant=minbase", f"--include={','.join(('ca-certificates', *packages))}",
            # A mirror that stands still is good enough here.
            '--aptopt=Acquire::Check-Valid-Until "false"',
            # Certificates that this machine trusts besides: a build fetches through what it fetches through.
            "--customize-hook=copy-in /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs", suite, str(tar),
        ]  # fmt: skip
        _run(command, "Debian's packages cannot be unpacked")
        _run(["docker", "import", str(tar), name], "the image cannot be imported")


@dataclass
class Stack:
    """What docker/compose.yaml starts, under a name of its own. `words` are those of docker/.env."""

    compose: tuple[str, ...]
    words: dict[str, str] = field(default_factory=dict)

    def do(self, *words: str, env: Mapping[str, str] | None = None) -> str:
        """A command of Compose; what it printed. LabError if it failed."""
        return _run(self.command(*words), f"compose {words[0]} failed", {**self.env(), **(env or {})})

    def command(self, *words: str) -> list[str]:
        """The words by which Compose does it."""
        return [*self.compose, "-p", NAME, "-f", str(PROJECT / "docker" / "compose.yaml"), *words]

    def env(self) -> dict[str, str]:
        """What docker/.env would say."""
        usual = {"BASE": BASE, "SIP_HOST": MACHINE, "NETWORK": NETWORK, "RTP_LAST": "10039", "RTP_LAST_2": "10439"}
        return {**usual, "SIP_PORT": "15060", "TLS_PORT": "15061", "SIP_PORT_2": "15062", "TLS_PORT_2": "15063",
                "DISPATCHER_PORT": "15070", "WEB_PORT": "15080", "WEB_PORT_2": "15081", "DRAIN_S": "60",
                "DRAIN_LIMIT": "90s", **self.words}  # fmt: skip

    def container(self, service: str) -> str:
        """The id of a service's container. LabError if it has none."""
        found = _listed("ps", "-a", "--filter", f"label=com.docker.compose.service={service}")
        if not found:
            raise LabError(f"no container of {service}")
        return found[0]

    def containers(self) -> list[dict[str, Any]]:
        """All that Docker knows of each container."""
        command = ["docker", "inspect", *_listed("ps", "-a")]
        found: list[dict[str, Any]] = json.loads(_run(command, "docker inspect failed"))
        return found

    def state(self, service: str) -> dict[str, Any]:
        """Status, pid and health of a service's container."""
        return self.inspected(service, ".State")

    def inspected(self, service: str, part: str) -> dict[str, Any]:
        """A part of what Docker knows of a service's container."""
        command = ["docker", "inspect", "-f", f"{{{{json {part}}}}}", self.container(service)]
        found: dict[str, Any] = json.loads(_run(command, f"{service} cannot be inspected"))
        return found

    def is_healthy(self, *services: str) -> bool:
        """Whether Docker says so of all of them."""
        return all(self.state(each).get("Health", {}).get("Status") == "healthy" for each in services)

    def comes_up(self, *services: str, limit_s: float = 20) -> None:
        """Wait until they are healthy. LabError, with what one of them said, if they are not."""
        if not process.waited(lambda: self.is_healthy(*services), limit_s, 0.5):
            ill = next(each for each in services if not self.is_healthy(each))
            raise LabError(f"{ill} is not healthy: {self.said(ill)[-3:]}")

    def kill(self, service: str) -> None:
        """Kill its first process, as a fault would, and wait until Docker has started another."""
        was = self.state(service)["Pid"]
        os.kill(was, signal.SIGKILL)
        if not process.waited(lambda: self.state(service)["Pid"] not in (0, was), 20, 0.2):
            raise LabError(f"{service} was killed, and Docker does not start it again")

    def said(self, service: str) -> list[str]:
        """The lines of its log."""
        command = ["docker", "logs", self.container(service)]
        ran = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        return (ran.stdout + ran.stderr).splitlines()

    def within(self, service: str, *words: str) -> str:
        """A command in a container, as its user. LabError if it failed."""
        return _run(["docker", "exec", self.container(service), *words], f"{' '.join(words[:3])} failed")

    def connector(self, *words: str) -> Any:
        """A command of `connector` in its container, which answers in JSON."""
        return json.loads(self.within("connector", "connector", *words, "--json"))

    def asterisk(self, words: str, node: str = "asterisk") -> str:
        """What Asterisk answers to a command."""
        return self.within(node, "asterisk", "-C", "/etc/asterisk/asterisk.conf", "-rx", words)

    def volumes(self) -> set[str]:
        """The names of its volumes that are there."""
        return set(_listed("volume", "ls"))

    def end(self) -> None:
        """Remove everything of it, the volumes too."""
        with suppress(LabError):
            self.do("down", "--volumes", "--timeout", "2", env={"COMPOSE_PROFILES": "kamailio"})


def tag(target: str, version: str) -> None:
    """Give the image of a target another version: it is taken for a newer one."""
    name = f"asterisk-connector/{target}"
    _run(["docker", "tag", f"{name}:latest", f"{name}:{version}"], "the image has no such tag")


def newer(target: str, file: str, line: str) -> None:
    """An image with the version `newer`: that of a target, with a line more in a file (a pattern of the shell)."""
    name = f"asterisk-connector/{target}"
    text = f"FROM {name}:latest\nUSER root\nRUN for file in {file}; do echo '{line}' >> $file; done\n"
    user = _run(
        ["docker", "inspect", "-f", "{{.Config.User}}", f"{name}:latest"], f"the image {name} is missing"
    ).strip()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "Dockerfile").write_text(f"{text}USER {user}\n")
        _run(["docker", "build", "-q", "-t", f"{name}:newer", folder], "the image cannot be built")


@contextmanager
def cut_off(stack: Stack, services: Mapping[str, str]) -> Iterator[None]:
    """Containers off all their networks until the block ends. `services`: the last number of each one's address."""
    joined = {service: tuple(stack.inspected(service, ".NetworkSettings.Networks")) for service in services}
    for service, networks in joined.items():
        for network in networks:
            _run(["docker", "network", "disconnect", network, stack.container(service)], "it cannot be cut off")
    try:
        yield
    finally:
        for service, networks in joined.items():
            for network in networks:
                address = ["--ip", f"{NETWORK}.{services[service]}"] if network.endswith("_inside") else []
                names = ["--alias", service]  # as Compose joins it
                command = ["docker", "network", "connect", *address, *names, network, stack.container(service)]
                _run(command, "it cannot be joined again")


@contextmanager
def begun(stack: Stack, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command of Compose that goes on beside the block; it is ended with it."""
    running = subprocess.Popen(
        stack.command(*words), env={**os.environ, **stack.env()}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield running
    finally:
        running.kill()
        running.wait()


@contextmanager
def outside() -> Iterator[None]:
    """A network namespace for those who call, until the block ends. It has PBX and CARRIER; the machine has MACHINE."""
    with suppress(LabError):
        _ip("netns", "delete", NAMESPACE)  # left by one that was cut off
    here, there = ENDS
    _ip("netns", "add", NAMESPACE)
    try:
        _ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", NAMESPACE)
        _ip("address", "add", f"{MACHINE}/24", "dev", here)
        _ip("link", "set", here, "up")
        for address in (PBX, CARRIER):
            _ip("-n", NAMESPACE, "address", "add", f"{address}/24", "dev", there)
        for device in ("lo", there):
            _ip("-n", NAMESPACE, "link", "set", device, "up")
        _ip("-n", NAMESPACE, "route", "add", "default", "via", MACHINE)
        yield
    finally:
        _ip("netns", "delete", NAMESPACE)


@contextmanager
def entered() -> Iterator[None]:
    """Sockets that are opened in the block are those of the namespace, and stay so."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net") as ours, open(f"/run/netns/{NAMESPACE}") as theirs:  # noqa: PTH123
        if libc.setns(theirs.fileno(), _NEW_NETWORK) != 0:
            raise LabError(f"the network namespace cannot be entered: {os.strerror(ctypes.get_errno())}")
        try:
            yield
        finally:
            libc.setns(ours.fileno(), _NEW_NETWORK)


def from_outside(command: Sequence[str]) -> tuple[str, ...]:
    """The command that runs another one in the namespace."""
    return ("ip", "netns", "exec", NAMESPACE, *command)


def _listed(*words: str) -> list[str]:
    """The ids of what a listing of Docker has of ours."""
    command = ["docker", *words, "-q", "--filter", f"label=com.docker.compose.project={NAME}"]
    return _run(command, "docker cannot be asked").split()


def _ip(*words: str) -> None:
    _run(["ip", *words], f"ip {' '.join(words[:3])} failed")


def _run(command: Sequence[str], what: str, env: Mapping[str, str] | None = None) -> str:
    """What a program printed. LabError, with the first error that it said, if it failed."""
    ran = subprocess.run(
        list(command), capture_output=True, text=True, errors="replace", check=False, env={**os.environ, **(env or {})}
    )
    if ran.returncode != 0:
        lines = (ran.stderr.strip() or ran.stdout.strip()).splitlines()
        errors = [line for line in lines if "error" in line.lower() or "non-zero code" in line] or lines
        raise LabError(f"{what}: {errors[0] if errors else ran.returncode}")
    return ran.stdout
