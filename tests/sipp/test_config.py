"""Generated config and a real Asterisk: in effect at once, nobody disturbed, nothing half, nothing escapes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from connector import config
from connector.asterisk import pjsip
from connector.asterisk.ami import AmiLink
from connector.asterisk.apply import Configurator, Plan, Step
from connector.asterisk.ari_http import Asterisk
from connector.asterisk.files import write
from connector.asterisk.pjsip import Local, Wanted
from connector.asterisk.reaching import TrunkStates
from connector.billing import profiles
from connector.clock import SystemClock
from connector.core.credentials import digest
from connector.core.sip import CALLER_ID, CODECS, DTMF, TIMERS, TRANSPORTS, Inward, Options, Outward
from connector.core.trunks import endpoint_of
from connector.errors import ConfigRefused
from connector.routing import trunks
from connector.routing.trunks import SignIn
from lab import process
from lab.load import LIMIT, UNTIL_BYE, Bench
from lab.ports import HOST

T = TypeVar("T")
HOLD = "hold-and-refuse/caller.xml"
APPLIES = 50
MANY = 1_000
MOST_TRIES = 12


def asked(bench: Bench, question: Callable[[Configurator], Awaitable[T]]) -> T:
    """What a Configurator of the lab answers, with connections of its own."""
    found = config.read(bench.instance.settings_path)

    async def work() -> T:
        ami, asterisk = AmiLink(found.ami), Asterisk(found.ari)
        running = asyncio.create_task(ami.run())
        try:
            await ami.connected()
            return await question(
                Configurator(found.sip, asterisk, SystemClock(), TrunkStates(ami, asterisk), found.node)
            )
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await asterisk.close()

    return bench.in_store(lambda: asyncio.run(work()))


def mark_of(bench: Bench) -> Path:
    """While it is there, the connector applies nothing by itself; an apply takes it away."""
    return bench.instance.generated / "held"


def hold(bench: Bench) -> None:
    """Keep the connector from putting back what the store says."""
    write(mark_of(bench), "a test\n")


@pytest.fixture
def held(bench: Bench) -> Iterator[Bench]:
    """The lab, whose connector applies nothing by itself; afterwards it has what the store says again."""
    hold(bench)
    yield bench
    asked(bench, lambda made: made.apply(made.wanted(), "test"))
    assert not mark_of(bench).exists()
    assert asked(bench, lambda made: made.plan(made.wanted())).changes == ()


def put(bench: Bench, wanted: Wanted) -> Plan:
    """Apply something, and keep the connector from putting back what the store says."""
    done = asked(bench, lambda made: made.apply(wanted, "test"))
    hold(bench)
    return done


def wanted_with(bench: Bench, *more: Inward | Outward) -> Wanted:
    """What the store says, and some ends that are in no store."""
    found = config.read(bench.instance.settings_path).sip
    local = Local(found.transports, found.host, found.rtp_timeout_s)
    now = SystemClock().now_ms()
    usual = bench.in_store(lambda: (profiles.inward(now), trunks.outward()))
    inward = [*usual[0], *(end for end in more if isinstance(end, Inward))]
    return pjsip.wanted(inward, [*usual[1], *(end for end in more if isinstance(end, Outward))], local)


def pbx(number: int, word: str = "0", **options: object) -> Inward:
    """A PBX that is in no store."""
    return Inward(f"pmany{number:05d}", "asterisk", (word * 32,), options=Options().changed(options))


async def plans_and_applies(bench: Bench, made: Configurator) -> None:
    """Profiles and trunks come, change and go."""
    for number in range(APPLIES):
        ends = (pbx(1, "01"[number % 2]), pbx(2 + number), Outward("passing", HOST, 9 + number % 3))
        wanted = wanted_with(bench, *ends, Outward("there", HOST, 6, options=Options(qualify_s=0)))
        hold(bench)
        assert (await made.plan(wanted)).changes
        await made.apply(wanted, "test")
        assert (await made.plan(wanted)).changes == ()


def test_300_calls_stay_up_through_50_plans_and_applies(held: Bench) -> None:
    """Profiles and a trunk come, change and go 50 times under 300 calls: every call goes on until it is hung up."""
    outcome = held.begin("50 applies with 300 calls up")
    calls = held.caller(UNTIL_BYE, LIMIT, 40).start()
    held.until(outcome, "300 calls are up", lambda: held.answered() == LIMIT, 40)
    asked(held, lambda made: plans_and_applies(held, made))
    assert held.live() == LIMIT
    held.instance.far_end_hangs_up()
    result = calls.wait(60)
    assert (result.successful, result.counts.get("ended")) == (LIMIT, LIMIT)
    cdrs = held.end(outcome)
    assert [cdr.ending for cdr in cdrs] == ["ok"] * LIMIT
    held.check_durations(outcome, cdrs)
    assert outcome.problems == []


@pytest.mark.quiet
def test_one_of_1000_profiles_changes_in_less_than_a_second(held: Bench) -> None:
    """Written, loaded, read back; and a caller of another profile waits no longer than that meanwhile."""
    outcome = held.begin("1,000 profiles")
    many = [pbx(number) for number in range(MANY)]
    put(held, wanted_with(held, *many))
    calls = held.caller(HOLD, 100, 20, hold_s=1).start()
    changed = wanted_with(held, pbx(0, "1", dtmf="info"), *many[1:])
    took = []

    async def timed(made: Configurator) -> None:
        for wanted in (changed, wanted_with(held, *many)) * (MOST_TRIES // 2):
            began = time.monotonic()
            await made.apply(wanted, "test")
            took.append(time.monotonic() - began)
            if len([each for each in took if each < 1]) == 2:  # some may meet a machine that is busy with others
                return

    asked(held, timed)
    result = calls.wait(30)
    assert result.counts.get("answered") == 100, result.why()
    assert sorted(took)[1] < 1, took
    assert held.end(outcome)
    assert outcome.problems == []


def test_what_asterisk_refuses_is_taken_back(held: Bench) -> None:
    """An object that Asterisk drops: the config before is in place again, in the file and in Asterisk, and said so."""
    before = (held.instance.generated / pjsip.FILE_NAME).read_text()
    wanted = wanted_with(held, pbx(1))
    broken = [
        replace(each, fields=(*each.fields, ("no_such_option", "x"))) if each.name == "pmany00001" else each
        for each in wanted.objects
    ]
    with pytest.raises(ConfigRefused, match=r"did not take the \w+ pmany00001; the config before it is in place again"):
        put(held, Wanted(tuple(broken)))
    assert (held.instance.generated / pjsip.FILE_NAME).read_text() == before
    assert held.ari("/asterisk/config/dynamic/res_pjsip/endpoint/pmany00001") is None
    assert asked(held, lambda made: made.plan(made.wanted())).changes == ()
    (*_, last) = asked(held, history)
    assert "did not take" in last.outcome


def test_a_trunk_that_dies_of_a_change_is_taken_back(held: Bench) -> None:
    """It answered before, at its new port nobody does: the old config is in place again."""
    there = Outward("answers", HOST, held.instance.ports.pbx, options=Options(qualify_s=2))
    put(held, wanted_with(held, there))
    endpoint = f"/endpoints/PJSIP/{endpoint_of('answers')}"
    held.until(held.begin("asked"), "it answers", lambda: held.ari(endpoint)["state"] == "online", 35)
    gone = Outward("answers", HOST, 9, options=Options(qualify_s=2))
    with pytest.raises(ConfigRefused, match="the trunk answers was well before it and is not now"):
        put(held, wanted_with(held, gone))
    read = held.ari(f"/asterisk/config/dynamic/res_pjsip/aor/{endpoint_of('answers')}")
    assert {"attribute": "contact", "value": f"sip:{HOST}:{held.instance.ports.pbx}"} in read


async def history(made: Configurator) -> list[Step]:
    """The lines of the history."""
    return list(made.history())


def test_an_edit_by_hand_is_shown_and_left_alone(bench: Bench) -> None:
    """The connector does not overwrite it; the plan names it; apply puts it right, rollback goes one step back."""
    path = bench.instance.generated / pjsip.FILE_NAME
    username = bench.profiles[1].username
    text = path.read_text()
    edited = text.replace(
        f"[{username}]\ntype = aor\nmax_contacts = 1\n", f"[{username}]\ntype = aor\nmax_contacts = 7\n"
    )
    assert edited != text
    path.write_text(edited)
    plan = asked(bench, lambda made: made.plan(made.wanted()))
    (change,) = plan.changes
    assert (change.action, change.type, change.of, change.by_hand) == ("change", "aor", username, True)
    assert [(field.option, field.now, field.then) for field in change.fields] == [("max_contacts", "7", "1")]
    assert _doctor(bench) == "wrong"
    asked(bench, lambda made: made.apply(made.wanted(), "test"))
    assert path.read_text() == text
    assert _doctor(bench) == "ok"


def _doctor(bench: Bench) -> str:
    """The state of doctor's check of the config."""
    command = [sys.executable, "-m", "connector", "--config", str(bench.instance.settings_path), "doctor", "--json"]
    checks = json.loads(subprocess.run(command, capture_output=True, check=False, timeout=60).stdout)
    return str(next(check["state"] for check in checks if check["code"] == "config"))


def test_a_rollback_holds_until_somebody_applies(bench: Bench) -> None:
    """A profile is made; one step back it is gone from Asterisk, and stays so; apply brings it back."""
    made = bench.in_store(lambda: profiles.create_profile("rolled back", 0, "asterisk", SystemClock().now_ms()))
    endpoint = f"/asterisk/config/dynamic/res_pjsip/endpoint/{made.username}"
    asked(bench, lambda configurator: configurator.apply(configurator.wanted(), "test"))
    assert bench.ari(endpoint) is not None
    told = bench.instance.folder / "log" / "connector.log"
    before = told.read_text().count("for it was rolled back")
    words = ("--config", str(bench.instance.settings_path), "config", "rollback", "--yes")
    subprocess.run([sys.executable, "-m", "connector", *words], capture_output=True, check=True, timeout=60)
    assert bench.ari(endpoint) is None
    bench.in_store(lambda: profiles.set_state("warehouse", "open"))  # a change: the connector looks at once
    assert process.waited(lambda: told.read_text().count("for it was rolled back") > before, 15)
    assert bench.ari(endpoint) is None
    asked(bench, lambda configurator: configurator.apply(configurator.wanted(), "test"))
    assert bench.ari(endpoint) is not None


EACH: dict[str, tuple[object, ...]] = {
    "transport": TRANSPORTS,
    "codecs": tuple((word,) for word in CODECS),
    "dtmf": DTMF,
    "timers": TIMERS,
    "caller_id": CALLER_ID,
}
MIXED: list[dict[str, object]] = [
    {"srtp": True, "nat": False, "max_contacts": 5, "acl": ("192.0.2.0/24", "198.51.100.7/32"), "qualify_s": 0},
    {"from_user": "a.b-c_d~e", "from_domain": "example.com", "contact_user": "me", "qualify_s": 3600},
    {"match": ("192.0.2.77", "192.0.2.78")},
]
EVERY = MIXED + [{name: word} for name, words in EACH.items() for word in words]


def test_asterisk_takes_every_option(held: Bench) -> None:
    """Each of them, on a PBX that registers, one that is known by address, a carrier and a provider."""
    ends: list[Inward | Outward] = []
    for number, said in enumerate(EVERY):
        options = Options(qualify_s=0).changed(said)
        ends += [
            Inward(f"pevery{number}", "asterisk", ("0" * 32, "1" * 32), options=options),
            Inward(f"paddress{number}", address=f"192.0.2.{number + 1}", port=5060, options=options),
            Outward(f"carrier-{number}", HOST, 7000 + number, options=options),
            Outward(f"provider-{number}", HOST, 1, "user", "word", "realm", "pclient", options),
        ]
    wanted = wanted_with(held, *ends)
    assert wanted.problems == ()
    put(held, wanted)
    names = {each.name for each in wanted.objects if each.type == "endpoint"}
    assert names <= {endpoint["resource"] for endpoint in held.ari("/endpoints/PJSIP")}


WORDS = [
    ";",
    r"\;",
    r"a\\;b;c",
    "=> x",
    "[evil]",
    "#include /etc/passwd",
    "${SHELL(id)}",
    "a&b,c|d",
    "ж日本é",
    '"quoted"',
    ";--not a comment--;",
    "x" * 128,
]


def test_every_sign_reaches_asterisk_unchanged(held: Bench) -> None:
    """Passwords and user names of trunks, read back from Asterisk, are what was given, and made nothing else."""
    ends = [
        Outward(f"odd-{number}", HOST, 5, "user~!*'()&=+$/?", word, options=Options(qualify_s=0))
        for number, word in enumerate(WORDS)
    ]
    before = {endpoint["resource"] for endpoint in held.ari("/endpoints/PJSIP")}
    put(held, wanted_with(held, *ends))
    for end in ends:
        name = endpoint_of(end.name)
        auth = {
            each["attribute"]: each["value"] for each in held.ari(f"/asterisk/config/dynamic/res_pjsip/auth/{name}")
        }
        assert (auth["password"], auth["username"]) == (end.password, end.username)
    after = {endpoint["resource"] for endpoint in held.ari("/endpoints/PJSIP")}
    assert after - before == {endpoint_of(end.name) for end in ends}


def test_what_cannot_be_carried_is_refused(bench: Bench) -> None:
    """One clear line, that does not quote it, and nothing is made (tests/billing/test_trunks.py has more words)."""
    file = bench.folder / "password"
    file.write_bytes(b"a\nb")
    command = [sys.executable, "-m", "connector", "--config", str(bench.instance.settings_path), "trunk", "create"]
    command += ["odd", "--address", HOST, "--port", "5", "--username", "me", "--password-file", str(file), "--json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 1, ran.stdout
    assert ran.stderr.startswith("error: a password has 1 to 128 bytes")
    assert "odd" not in {trunk.name for trunk in bench.in_store(trunks.list_trunks)}


CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
from connector import config
from connector.asterisk import apply
from connector.storage import stores
from connector.asterisk.ari_http import Asterisk
from connector.clock import SystemClock

left = int(sys.argv[2])

def step():
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def dies(function):
    def wrapped(*args, **kwargs):
        step()
        result = function(*args, **kwargs)
        step()
        return result
    return wrapped

os.fsync, Path.rename, Path.mkdir = dies(os.fsync), dies(Path.rename), dies(Path.mkdir)
reload = Asterisk.reload

async def reloads(self, module):
    step()
    await reload(self, module)
    step()

Asterisk.reload = reloads

async def main():
    settings = config.read(Path(sys.argv[1]))
    stores.opened(settings.store)
    asterisk = Asterisk(settings.ari)
    made = apply.Configurator(settings.sip, asterisk, SystemClock(), node=settings.node)
    await made.apply(made.wanted(), "child")
    await asterisk.close()

asyncio.run(main())
"""


def test_killed_at_any_step_there_is_the_old_or_the_new(held: Bench) -> None:
    """kill -9 at every other step of an apply in turn: the file is the old one or the new, whole, and Asterisk has one
    of the two; the next apply finishes it.
    """
    path = held.instance.generated / pjsip.FILE_NAME
    was_new = was_old = 0
    for number in range(1, 80, 2):
        hold(held)
        held.in_store(lambda n=number: profiles.change("warehouse", options={"max_contacts": 2 + n // 2 % 2}))  # type: ignore[misc]
        old, new = path.read_text(), wanted_with(held).text
        assert old != new
        command = [sys.executable, "-c", CHILD, str(held.instance.settings_path), str(number)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert ended.returncode in (0, -9), ended.stderr
        assert path.read_text() in (old, new)
        loaded = asked(held, lambda made: made.loaded())
        assert loaded in (pjsip.loaded_version(old), pjsip.loaded_version(new))
        was_new, was_old = was_new + (path.read_text() == new), was_old + (path.read_text() == old)
        asked(held, lambda made: made.apply(made.wanted(), "test"))
        assert asked(held, lambda made: made.plan(made.wanted())).changes == ()
        assert asked(held, lambda made: made.loaded()) == pjsip.loaded_version(new)
        if ended.returncode == 0:
            break
    assert number > 10
    assert was_new > 1
    assert was_old > 1


def test_the_file_has_digests_and_is_for_asterisk_only(bench: Bench) -> None:
    """Mode 0640; a PBX's password is not in it, and of a provider's with a known realm neither."""
    path = bench.instance.generated / pjsip.FILE_NAME
    assert path.stat().st_mode & 0o777 == 0o640
    text = path.read_text()
    for profile in bench.profiles:
        assert profile.password not in text
        assert digest(profile.username, "asterisk", profile.password) in text
    words = wanted_with(bench, Outward("t", HOST, 5, "user", "geheim", "realm")).objects
    assert "geheim" not in pjsip.Wanted(tuple(words)).text


def test_no_secret_is_in_a_plan(held: Bench) -> None:
    """Neither the password that is shown once, nor its digest, in the plan's JSON."""
    bench = held
    made = bench.in_store(lambda: profiles.create_profile("secretive", 0, "asterisk", SystemClock().now_ms()))
    signs = SignIn("user", "much too secret")
    now = SystemClock().now_ms()
    options = Options(qualify_s=0)
    bench.in_store(lambda: trunks.create_trunk("secretive", HOST, 7, now, sign_in=signs, options=options))
    command = [
        sys.executable,
        "-m",
        "connector",
        "--config",
        str(bench.instance.settings_path),
        "config",
        "plan",
        "--json",
    ]
    try:
        shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    finally:
        bench.in_store(lambda: trunks.remove("secretive"))
    assert {change["of"] for change in json.loads(shown)["changes"]} == {made.username, "secretive"}
    for secret in (made.password, digest(made.username, "asterisk", made.password), "much too secret"):
        assert secret not in shown
