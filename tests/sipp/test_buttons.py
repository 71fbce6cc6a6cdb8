"""A call button in a real Chromium, whose microphone beeps, over a real Asterisk, whose PBX echoes."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from connector.billing import calls
from connector.clock import SystemClock
from connector.core.refusals import BY_CODE
from connector.routing import buttons, routes
from connector.routing.buttons import ButtonView
from lab import process
from lab.load import Bench
from lab.ports import HOST
from tests.sipp.test_manager import fill, seen, watched, welcomed

expect.set_options(timeout=30_000)


@pytest.fixture
def company(browser: Browser, bench: Bench) -> Iterator[BrowserContext]:
    """The company's own browser, on the pages."""
    context = browser.new_context(base_url=f"http://{HOST}:{bench.instance.ports.web}")
    context.set_default_timeout(30_000)
    yield context
    context.close()


@pytest.fixture
def visitor(browser: Browser, bench: Bench) -> Iterator[Page]:
    """A visitor's page, on a telephone."""
    with watched(browser, bench, width=360) as found:
        yield found


@pytest.fixture
def button(bench: Bench) -> Iterator[ButtonView]:
    """For an account that rings at the office's PBX, which answers and echoes."""
    now, office = SystemClock().now_ms(), bench.profiles[0].username

    def made() -> ButtonView:
        """Both."""
        routes.create_account("front-desk", office, "", now)
        return buttons.create("shop window", "front-desk", 2, now)

    found = bench.in_store(made)
    yield found
    bench.in_store(lambda: (buttons.remove(found.id), routes.remove_account("front-desk")))


def path_of(button: ButtonView) -> str:
    """The page behind its link."""
    return f"/call/{button.token}"


def called(page: Page, button: ButtonView) -> None:
    """Somebody opens the link and pushes the button."""
    page.goto(path_of(button))
    page.get_by_role("button", name="Call").click()


def levels(page: Page) -> tuple[float, float]:
    """How loud it is that is said, and that is heard."""
    spoken, heard = (float(page.locator(f"#{side}").evaluate("each => each.value")) for side in ("spoken", "heard"))
    return spoken, heard


def wrong_in_the_log(bench: Bench) -> list[str]:
    """What the connector said of defects, whole, and of AMI: a key that is pressed may not cost other calls their
    timers.
    """
    log = (bench.instance.folder / "log" / "connector.log").read_text()
    said = re.split(r"^(?=20[0-9]{2}-)", log, flags=re.MULTILINE)
    return [part for part in said if "Traceback" in part or "AMI is not connected" in part]


def loudest(page: Page, side: int) -> bool:
    """Whether the microphone's beep is there now."""
    return levels(page)[side] > 0.1


def test_a_visitor_talks_to_the_company(bench: Bench, company: BrowserContext, visitor: Page) -> None:
    """The company makes the button by its pages; a stranger who has the link hears the PBX answer, and the company sees
    the call, which costs nothing and takes a channel; a key that is pressed arrives there; the CDR says how it came.
    """
    now, office = SystemClock().now_ms(), bench.profiles[0].username
    bench.in_store(lambda: routes.create_account("front-desk", office, "", now))
    page = company.new_page()
    welcomed(bench, page, "buttons@example.com")
    page.goto("/numbers")
    page.get_by_role("link", name="Call buttons").click()
    expect(page.get_by_text("None yet.")).to_be_visible()
    page.get_by_role("link", name="Make a call button").click()
    seen(page)
    fill(page, "Create", Name="shop window", Account="front-desk", Visitors="1")
    seen(page)
    html = page.locator("pre.wrapped").inner_text()
    link = re.findall('href="([^"]+)"', html)[0]
    assert link == page.locator("main a code").inner_text()
    outcome = bench.begin("call button")
    visitor.goto(link)
    expect(visitor.get_by_role("status")).to_have_text("Ready to call.")
    seen(visitor)
    expect(visitor.get_by_role("heading", name="Call Sample Ltd")).to_be_visible()
    visitor.get_by_role("button", name="Call").click()
    expect(visitor.get_by_role("status")).to_have_text("Connected.")
    expect(visitor.get_by_role("timer")).to_have_text(re.compile("^0:0[1-9]$"))
    for button, seen_now in (("Call", False), ("Hang up", True), ("Mute", True)):
        expect(visitor.get_by_role("button", name=button, exact=True)).to_be_visible(visible=seen_now)
    assert process.waited(lambda: loudest(visitor, 0), 10)
    assert process.waited(lambda: loudest(visitor, 1), 10)
    seen(visitor)
    page.goto("/calls")
    expect(page.get_by_role("cell", name="shop window")).to_be_visible()
    (leg,) = [each for each in bench.legs() if each["name"].startswith("WebSocket/")]
    left = bench.ari(f"/channels/{leg['id']}/variable?variable=TIMEOUT(absolute)")["value"]
    assert 3_600 < float(left) <= 3_900  # whoever the visitor is sent on to
    (live,) = bench.in_store(calls.live)
    assert (live.button, live.trunk, live.direction, live.called, live.held_s) == (
        "shop window", None, "in", "front-desk", None,
    )  # fmt: skip
    mute = visitor.get_by_role("button", name="Mute")
    mute.click()
    expect(mute).to_have_attribute("aria-pressed", "true")
    assert process.waited(lambda: max(levels(visitor)) < 0.01, 10)
    seen(visitor)
    mute.click()
    assert process.waited(lambda: loudest(visitor, 1), 10)
    visitor.get_by_text("Keypad").click()
    visitor.get_by_role("button", name="5", exact=True).click()
    expect(visitor.get_by_role("status")).to_have_text("Connected.")
    visitor.get_by_role("button", name="#", exact=True).click()  # Asterisk's Echo() ends by this key
    expect(visitor.get_by_role("status")).to_have_text("The call is over.")
    expect(visitor.get_by_role("button", name="Call again")).to_be_focused()
    (cdr,) = bench.end(outcome)
    assert outcome.problems == []
    assert wrong_in_the_log(bench) == []
    assert (cdr.button, cdr.ending, cdr.price_micros, cdr.trunk) == ("shop window", "ok", 0, None)
    assert cdr.duration_ms > 1000
    page.goto(f"/history/{cdr.id}")
    expect(page.get_by_text("the call button shop window")).to_be_visible()
    page.goto("/buttons")
    page.get_by_role("link", name="shop window").click()
    page.get_by_role("link", name="Remove").click()
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("status")).to_contain_text("was removed")
    visitor.goto(link)
    expect(visitor.get_by_text("This link does not work")).to_be_visible()
    bench.in_store(lambda: routes.remove_account("front-desk"))


def test_the_visitor_hangs_up_or_goes_away(bench: Bench, browser: Browser, visitor: Page, button: ButtonView) -> None:
    """By the button; by closing the window, which says no goodbye; either way the call is over at once."""
    outcome = bench.begin("visitor leaves")
    called(visitor, button)
    expect(visitor.get_by_role("status")).to_have_text("Connected.")
    visitor.get_by_role("button", name="Hang up").click()
    expect(visitor.get_by_role("status")).to_have_text("The call is over.")
    assert process.waited(lambda: bench.live() == 0, 5)
    context = browser.new_context(base_url=f"http://{HOST}:{bench.instance.ports.web}")
    other = context.new_page()
    called(other, button)
    expect(other.get_by_role("status")).to_have_text("Connected.")
    assert bench.live() == 1
    context.close()
    assert process.waited(lambda: bench.live() == 0, 5)
    assert [cdr.ending for cdr in bench.end(outcome)] == ["ok", "ok"]
    assert outcome.problems == []


def test_the_company_hangs_up(bench: Bench, company: BrowserContext, visitor: Page, button: ButtonView) -> None:
    """From the page of live calls; the visitor is told."""
    outcome = bench.begin("company hangs up")
    page = company.new_page()
    welcomed(bench, page, "ends.buttons@example.com")
    called(visitor, button)
    expect(visitor.get_by_role("status")).to_have_text("Connected.")
    page.goto("/calls")
    page.get_by_role("button", name="Hang up").click()
    expect(visitor.get_by_role("status")).to_have_text("The call is over.")
    assert len(bench.end(outcome)) == 1
    assert outcome.problems == []


@pytest.mark.parametrize(
    ("route", "words", "ending"),
    [
        ("busy", "The line is busy. Please try again in a few minutes.", "busy"),
        ("extension 999 for 5", "The call could not be put through. Please try again later.", "failed"),
    ],
)
def test_who_is_not_answered_hears_why(
    bench: Bench, visitor: Page, button: ButtonView, route: str, words: str, ending: str
) -> None:
    """A busy line, and an extension that the PBX does not have."""
    outcome = bench.begin("not answered")
    bench.in_store(lambda: routes.set_route("front-desk", route))
    called(visitor, button)
    expect(visitor.get_by_role("status")).to_have_text(words)
    expect(visitor.get_by_role("button", name="Call again")).to_be_visible()
    (cdr,) = bench.end(outcome)
    assert (cdr.ending, cdr.button, cdr.duration_ms) == (ending, "shop window", 0)
    assert outcome.problems == []


def test_no_more_visitors_than_may(bench: Bench, browser: Browser, visitor: Page, button: ButtonView) -> None:
    """One talks; the next finds the line busy, and the refusal is in the books."""
    outcome = bench.begin("button full")
    bench.in_store(lambda: buttons.change(button.id, 1))
    called(visitor, button)
    expect(visitor.get_by_role("status")).to_have_text("Connected.")
    context = browser.new_context(base_url=f"http://{HOST}:{bench.instance.ports.web}")
    other = context.new_page()
    called(other, button)
    expect(other.get_by_role("status")).to_have_text("The line is busy. Please try again in a few minutes.")
    context.close()
    visitor.get_by_role("button", name="Hang up").click()
    cdrs = bench.end(outcome)
    assert sorted(filter(None, (cdr.refusal for cdr in cdrs))) == ["button_full"]
    assert BY_CODE["button_full"].cause in {cdr.cause for cdr in cdrs}
    assert outcome.problems == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
def test_without_the_control_process_no_visitor_talks_on(
    bench: Bench, visitor: Page, button: ButtonView, how: signal.Signals
) -> None:
    """Their sound goes through it: killed or stopped, it ends their calls, every leg is gone, and the books know."""
    outcome = bench.begin("gone")
    called(visitor, button)
    expect(visitor.get_by_role("status")).to_have_text("Connected.")
    os.kill(bench.supervisor.pid("control"), how)
    expect(visitor.get_by_role("status")).to_have_text(re.compile("^The call (was cut off|is over)\\.$"))
    assert process.waited(lambda: not bench.legs(), 10)
    assert bench.restored()
    assert process.waited(lambda: bench.live() == 0, 10)
    (cdr,) = bench.end(outcome)
    assert cdr.ending in ("ok", "estimated")
    assert wrong_in_the_log(bench) == []
