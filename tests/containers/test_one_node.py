"""One Asterisk and one connector in containers, the books in a file: started, called, broken, replaced, removed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import containers, process, sipp
from lab.containers import CARRIER, PBX, Stack
from lab.phone import Sound, sdp
from lab.root import Program
from tests.containers.office import ABROAD, CARRIER_PORT, NUMBER, PBX_PORT, WANTED, Office, phones, set_up, talking


@pytest.fixture(scope="module")
def office(images: tuple[str, ...], caller: Program, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Everything started, and set up."""
    stack = Stack(images)
    stack.end()
    try:
        stack.do("up", "--detach")
        stack.comes_up("connector", "asterisk")
        yield set_up(stack, caller, tmp_path_factory.mktemp("sipp"))
    finally:
        stack.end()


def test_nothing_runs_as_root_and_no_port_is_open_but_sip_rtp_and_the_web(office: Office) -> None:
    """Not even what a container starts later; and no part can be written to but the volumes."""
    for each in office.stack.containers():
        service = each["Config"]["Labels"]["com.docker.compose.service"]
        assert each["Config"]["User"] == {"asterisk": "asterisk", "connector": "asterisk-connector"}[service]
        assert each["HostConfig"]["ReadonlyRootfs"], service
        assert each["HostConfig"]["CapDrop"] == ["ALL"], service
        ids = Path(f"/proc/{each['State']['Pid']}/status").read_text()
        assert "Uid:\t0" not in ids and "NoNewPrivs:\t1" in ids, service
        published = {
            (entry["HostPort"], port.partition("/")[2])
            for port, entries in each["NetworkSettings"]["Ports"].items()
            for entry in entries or ()
        }
        rtp = {(str(port), "udp") for port in range(10000, 10040)}
        sip = {("15060", "udp"), ("15060", "tcp"), ("15061", "tcp")}
        assert published == (rtp | sip if service == "asterisk" else {("15080", "tcp")})


def test_setup_a_second_time_changes_nothing(office: Office) -> None:
    """It says that everything is there, and makes no second profile."""
    again = office.stack.connector("setup", *WANTED)
    assert (again["steps"], again["secrets"]) == ([], {})
    assert len(office.stack.connector("profile", "list")) == 1
    assert not any("serve" in line for line in again["next"]), "it runs already"


def test_a_call_out_by_sipp_and_one_in(office: Office) -> None:
    """Each has its CDR, and doctor finds nothing wrong afterwards."""
    carrier = office.carrier()
    result = office.caller(calls=3, rate=5).start().wait(20)
    assert (result.successful, result.counts["answered"]) == (3, 3), result.why()
    carrier.end()
    user = office.username
    row = (user, sipp.authentication(user, office.password), "")
    contact = f"sip:{user}@{PBX}:{PBX_PORT}"
    registered = office.run("hostile/register.xml", row, words={"contact": contact}).start().wait(20)
    assert registered.successful == 1, registered.why()
    answers = office.run("speed/carrier.xml", None).start()  # the PBX
    row = (ABROAD, "", NUMBER)
    result = office.run("both-ways/network.xml", row, host=CARRIER, port=CARRIER_PORT).start().wait(20)
    assert (result.successful, result.counts["answered"]) == (1, 1), result.why()
    answers.end()
    found = office.cdrs(4)
    assert [(cdr["direction"], cdr["ending"]) for cdr in found] == [("in", "ok"), *[("out", "ok")] * 3]
    checks = office.stack.connector("doctor")
    assert [each for each in checks if each["state"] != "ok"] == []


def test_sound_goes_both_ways_by_the_published_ports(office: Office) -> None:
    """The SDP of both legs names the address that others reach, and what comes there comes through."""
    with phones(office) as (pbx, carrier):
        with containers.entered():
            here, there = Sound(PBX), Sound(CARRIER)
        out = pbx.call("+442079460001", sdp(host=PBX, port=here.port))
        rings = carrier.rings()
        rings.picks_up(sdp(host=CARRIER, port=there.port))
        answer = out.answered()
        assert rings.invited is not None
        for sent in (answer, rings.invited):
            assert f"c=IN IP4 {containers.MACHINE}" in sent.body, sent.body
            assert containers.NETWORK not in sent.header("Contact"), "an address of ours that nobody reaches"
        heard = sum(here.talks(answer, 0.2) + there.talks(rings.invited, 0.2) for _ in range(5))
        assert heard >= 20, heard
        assert out.bye() == 200
        here.close()
        there.close()


def test_each_part_killed_under_a_call_comes_back(office: Office) -> None:
    """The connector killed: the call goes on and is charged. Asterisk killed: the call is over, and booked. Docker
    starts either again.
    """
    stack = office.stack
    before = len(stack.connector("cdr", "list", "--limit", "1000"))
    with phones(office) as (pbx, carrier):
        out, there = talking(pbx, carrier)
        assert process.waited(lambda: len(office.live()) == 1, 5)
        stack.kill("connector")
        stack.comes_up("connector", "asterisk")
        assert [call["profile"] for call in office.live()] == ["office"]
        assert out.bye() == 200
        there.phone.listen(1)
        (cdr, *_) = office.cdrs(before + 1)
        assert (cdr["ending"], cdr["price_micros"] > 0) == ("ok", True)

        talking(pbx, carrier)
        assert process.waited(lambda: len(office.live()) == 1, 5)
        stack.kill("asterisk")
        stack.comes_up("asterisk", "connector")
        assert process.waited(lambda: office.live() == [], 30, 0.5)
        assert len(office.cdrs(before + 2)) == before + 2
    carries(office)


def test_a_new_image_of_the_connector_takes_over_with_a_call_up(office: Office) -> None:
    """What an upgrade is: another image, with another dialplan, and `up` again. Asterisk's container is not touched,
    and has the new dialplan soon.
    """
    stack, compose = office.stack, office.stack.compose
    newer = Stack(compose, {"VERSION": "newer"})
    before, asterisk, connector = (
        len(stack.connector("cdr", "list", "--limit", "1000")),
        *map(stack.container, ("asterisk", "connector")),
    )
    containers.newer(
        "connector", "/opt/connector/lib/python3*/site-packages/connector/asterisk/dropin/extensions.conf", "; newer"
    )
    with phones(office) as (pbx, carrier):
        out, _ = talking(pbx, carrier)
        assert process.waited(lambda: len(office.live()) == 1, 5)
        newer.do("up", "--detach", "--no-deps", "--no-build", "connector")
        newer.comes_up("connector", "asterisk")
        assert process.waited(lambda: state_of(newer, "dialplan") == "ok", 30, 1), stack.said("asterisk")[-5:]
        assert (stack.container("asterisk"), stack.container("connector") != connector) == (asterisk, True)
        assert len(office.live()) == 1
        assert out.bye() == 200
        assert office.cdrs(before + 1)[0]["ending"] == "ok"
    carries(office)


def test_a_stop_of_asterisk_lets_the_call_end_and_takes_no_other(office: Office) -> None:
    """`docker compose stop`: a new call is refused, the one that is up is paid further, slice by slice, and goes on
    until somebody hangs up.
    """
    stack = office.stack
    stack.within("connector", "sh", "-c", "printf '[calls]\\nslice_s = 3\\n' > /etc/asterisk-connector/extra.toml")
    stack.do("restart", "connector")
    stack.comes_up("connector", "asterisk")
    before = len(stack.connector("cdr", "list", "--limit", "1000"))
    with phones(office) as (pbx, carrier):
        out, _ = talking(pbx, carrier)
        with containers.begun(stack, "stop", "asterisk") as stopping:
            said = "stopping: no new calls"
            assert process.waited(lambda: any(said in line for line in stack.said("asterisk")), 10, 0.2)
            assert pbx.call("+442079460001").refused() in (503, 603, 480)
            pbx.listen(12)  # four slices
            assert stack.state("asterisk")["Running"]
            assert len(office.live()) == 1
            assert out.bye() == 200
            assert stopping.wait(60) == 0
        cdr = office.cdrs(before + 1)[0]  # the refused one did not reach the connector
        assert (cdr["ending"], cdr["duration_ms"] > 10_000) == ("ok", True)
        stack.within("connector", "rm", "/etc/asterisk-connector/extra.toml")
        stack.do("restart", "connector")
        stack.do("start", "asterisk")
        stack.comes_up("asterisk", "connector")
    carries(office)


def test_down_leaves_the_volumes_and_up_finds_everything(office: Office) -> None:
    """Profile, CDRs, secrets and credit are there again."""
    stack = office.stack
    before, kept = stack.connector("cdr", "list", "--limit", "1000"), stack.volumes()
    stack.do("down")
    assert stack.volumes() == kept
    stack.do("up", "--detach")
    stack.comes_up("connector", "asterisk")
    assert stack.connector("cdr", "list", "--limit", "1000") == before
    assert stack.connector("ledger", "verify")["problems"] == []
    carries(office)


def test_a_change_of_env_is_in_effect_after_up(office: Office) -> None:
    """And a word of no use is refused in one line, without a change of what was written before."""
    stack = office.stack
    wrong = Stack(stack.compose, {"SIP_HOST": "pbx.example"})
    wrong.do("up", "--detach", "--no-deps", "connector")
    told = "error: SIP_HOST in docker/.env: the IPv4 address by which PBXs and carriers reach this machine"
    assert process.waited(lambda: told in stack.said("connector"), 10, 0.2), stack.said("connector")
    Stack(stack.compose, {"PUBLIC_URL": "https://calls.example"}).do("up", "--detach")
    stack.comes_up("connector", "asterisk")
    assert "calls.example" in stack.within("connector", "cat", "/etc/asterisk-connector/connector.toml")
    stack.do("up", "--detach")
    stack.comes_up("connector", "asterisk")
    carries(office)


def test_the_store_moves_to_postgresql_with_a_call_up(office: Office) -> None:
    """As docs/containers.md says: the call goes on and is booked there; the file stays in its volume."""
    stack = Stack(office.stack.compose, {"COMPOSE_PROFILES": "postgres"})
    before = len(stack.connector("cdr", "list", "--limit", "1000"))
    with phones(office) as (pbx, carrier):
        out, _ = talking(pbx, carrier)
        assert process.waited(lambda: len(office.live()) == 1, 5)
        stack.do("up", "--detach", "postgres")
        stack.comes_up("postgres")
        stack.do("stop", "connector")
        words = ("--password-file", "/secrets/store-password", "--key", "/secrets/connector.key")
        url = "postgresql://connector@postgres/connector"
        stack.do("run", "--rm", "--no-deps", "connector", "connector", "move-to", url, *words)
        stack.do("up", "--detach")
        stack.comes_up("connector", "asterisk")
        assert len(office.live()) == 1
        assert out.bye() == 200
    (cdr, *_) = office.cdrs(before + 1)
    assert (cdr["ending"], cdr["price_micros"] > 0) == ("ok", True)
    assert "connector.db.moved-" in stack.within("connector", "ls", "/var/lib/asterisk-connector")
    assert stack.connector("ledger", "verify")["problems"] == []
    carries(office)


def state_of(stack: Stack, check: str) -> str:
    """What doctor says of one thing."""
    ran = subprocess.run(
        ["docker", "exec", stack.container("connector"), "connector", "doctor", "--json"],
        capture_output=True, check=False,
    )  # fmt: skip
    return next((each["state"] for each in json.loads(ran.stdout) if each["code"] == check), "")


def carries(office: Office) -> None:
    """A call goes through, and afterwards nothing is up."""
    assert process.waited(lambda: office.live() == [], 20, 0.5)
    carrier = office.carrier()
    result = office.caller(calls=1).start().wait(20)
    assert (result.successful, result.counts["answered"]) == (1, 1), result.why()
    carrier.end()
    assert process.waited(lambda: office.live() == [], 10, 0.5)
