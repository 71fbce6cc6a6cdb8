"""The web pages in a real Chromium over a real Asterisk: what a new owner does, from the first link to the deletion."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, expect

from connector.billing import credit, decks, history, ledger, numbers
from connector.clock import SystemClock
from connector.people import users
from connector.web.site import PAGES, menu
from lab.load import UNTIL_BYE, Bench
from lab.ports import HOST

PASSWORD = "correct horse battery staple"
STOCK = "number,monthly_fee,country,area_code,currency\n+442079460190,2.50,GB,20,GBP\n"
axe = Axe()
expect.set_options(timeout=30_000)


@pytest.fixture
def page(browser: Browser, bench: Bench) -> Iterator[Page]:
    """A page of the manager, before which nobody has signed in."""
    with watched(browser, bench) as found:
        yield found


@contextmanager
def watched(browser: Browser, bench: Bench, width: int = 1280) -> Iterator[Page]:
    """A page of somebody who is a stranger yet; nothing is wrong in its console afterwards."""
    said: list[str] = []
    size: ViewportSize = {"width": width, "height": 720}
    address = f"http://{HOST}:{bench.instance.ports.web}"
    context = browser.new_context(base_url=address, viewport=size, permissions=["clipboard-read", "clipboard-write"])
    context.set_default_timeout(30_000)
    found = context.new_page()
    found.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    found.on("pageerror", lambda error: said.append(str(error)))
    yield found
    context.close()
    assert [text for text in said if "status of 4" not in text] == []


def welcomed(bench: Bench, page: Page, email: str, role: str = "owner") -> None:
    """Somebody signs in for the first time, by a link."""
    now = SystemClock().now_ms()
    secret = bench.in_store(lambda: users.link(users.create(email, "", role, now), now))
    page.goto(f"/welcome?link={secret}")
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("The same again").fill(PASSWORD)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Sample Ltd")).to_be_visible()
    page.wait_for_load_state()  # keys are heard by a script


def seen(page: Page) -> None:
    """Axe finds nothing in the way of people with a screen reader, or who need contrast."""
    found = axe.run(page).response["violations"]
    assert [(each["id"], each["impact"], each["nodes"][0]["html"]) for each in found] == []


def fill(page: Page, button: str, **fields: str) -> None:
    """Fill in a form and send it."""
    for label, value in fields.items():
        found = page.get_by_label(label.replace("_", " "), exact=False).first
        if found.evaluate("each => each.tagName") == "SELECT":
            found.select_option(value)
        else:
            found.fill(value)
    page.get_by_role("button", name=button, exact=True).click()


def amounts(page: Page, name: str) -> list[str]:
    """The sums of money in a line of what is asked before it is done."""
    line = page.locator("dl.sum div", has=page.get_by_text(name, exact=True)).locator("dd").inner_text()
    return re.findall(r"£([0-9.]+)", line)


def test_a_new_owner_does_everything(bench: Bench, page: Page) -> None:
    """Signs in, creates a profile, buys channels, adds credit, adds a number and an account, changes and cancels the
    subscription, takes credit back, deletes the profile with an export of its calls; each price and date is shown
    before, and is what is charged.
    """
    bench.in_store(lambda: numbers.import_stock(STOCK, SystemClock().now_ms()))
    welcomed(bench, page, "new.owner@example.com")
    seen(page)
    page.get_by_role("link", name="Set up a SIP profile").click()
    seen(page)
    fill(page, "Create", Name="Reception desk")
    password = page.locator('code[data-copy="Password"]').inner_text()
    page.get_by_role("button", name="Copy: Password").click()
    expect(page.get_by_role("button", name="Copied: Password")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == password
    page.get_by_text("Asterisk", exact=True).click()
    expect(page.locator("pre")).to_contain_text(f"password = {password}")
    seen(page)
    page.get_by_role("link", name="Continue").click()
    expect(page.get_by_role("heading", name="Reception desk inactive")).to_be_visible()
    profile = page.url.rpartition("/")[2]
    page.get_by_role("link", name="Buy a channel subscription").click()
    before = bench.in_store(lambda: credit.balance().available_micros)
    page.get_by_label("Calling channels").fill("12")
    expect(page.locator("#quoted")).to_contain_text("£83.40")
    page.get_by_label("Calling channels").fill("12.5")
    expect(page.locator("#quoted")).to_be_empty()
    fill(page, "Buy now", channels="12")
    assert amounts(page, "To pay now") == ["83.40"]
    seen(page)
    assert bench.in_store(lambda: credit.balance().available_micros) == before
    page.get_by_role("button", name="Buy now").click()
    expect(page.get_by_role("status")).to_contain_text("12 channels were bought for £83.40")
    assert bench.in_store(lambda: credit.balance().available_micros) == before - 83_400_000
    expect(page.get_by_text("of 12 in use")).to_be_visible()
    page.get_by_role("link", name="Add credit").click()
    fill(page, "Add credit", Amount="ten")
    expect(page.locator("#amount-wrong")).to_contain_text("Invalid amount")
    fill(page, "Add credit", Amount="10")
    assert amounts(page, "Credit of the profile") == ["0.00", "10.00"]
    page.get_by_role("button", name="Add credit").click()
    page.get_by_role("link", name="Auto-recharge").click()
    fill(page, "Save changes", Recharge_with="5", When_balance_falls_below="2")
    assert amounts(page, "Moves now") == ["0.00"]
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Auto-recharge: £5.00")).to_be_visible()
    page.get_by_role("link", name="Buy a number").click()
    fill(page, "Show", Number_contains="794 601")
    seen(page)
    page.get_by_role("checkbox", name="Choose +442079460190").check()
    page.get_by_role("button", name="Buy the chosen ones").click()
    page.get_by_label("Voice mail takes calls that nobody answers").check()
    fill(page, "Buy now", Period="3")
    assert amounts(page, "To pay now") == ["7.50"]
    page.get_by_role("button", name="Buy now").click()
    bought = page.get_by_role("region", name="Numbers", exact=True)
    expect(bought.get_by_role("cell", name="+442079460190")).to_be_visible()
    expect(bought.get_by_role("cell", name="the PBX for 25 s, voice mail 2079460190")).to_be_visible()
    page.goto(f"/profiles/{profile}")
    page.get_by_role("link", name="Add an account").click()
    fill(page, "Confirm", Name="reception", Extension="101")
    expect(page.get_by_role("cell", name="reception", exact=True)).to_be_visible()
    page.get_by_role("link", name="Authentication details").click()
    expect(page.get_by_text(profile).first).to_be_visible()
    seen(page)
    page.goto(f"/profiles/{profile}/channels/change")
    fill(page, "Buy now", channels="20", bundles="1")
    back, paid = amounts(page, "Given back for the running term"), amounts(page, "To pay now")
    page.get_by_role("button", name="Buy now").click()
    expect(page.get_by_role("status")).to_contain_text(f"£{paid[0]} paid, £{back[0]} refunded")
    page.get_by_role("link", name="Cancel subscription").click()
    expect(page.get_by_text(re.compile("The 20 channels stay until"))).to_be_visible()
    page.get_by_role("button", name="Cancel subscription").click()
    expect(page.get_by_role("status")).to_contain_text("The subscription ends on")
    page.get_by_role("link", name="Keep subscription").click()
    page.get_by_role("button", name="Keep subscription").click()
    expect(page.get_by_role("status")).to_contain_text("The subscription renews on")
    page.get_by_role("link", name="Cancel subscription").click()
    page.get_by_role("button", name="Cancel subscription").click()
    page.get_by_role("link", name="How many channels do I need?").click()
    seen(page)
    page.get_by_role("link", name="Back to Reception desk").click()
    page.get_by_role("link", name="Take back credit").click()
    fill(page, "Take back credit", Amount="4")
    assert amounts(page, "Credit of the profile") == ["10.00", "6.00"]
    page.get_by_role("button", name="Take back credit").click()
    page.get_by_role("link", name="Delete this profile").click()
    page.get_by_role("button", name="Delete").click()
    assert amounts(page, "Credit, back to the company") == ["6.00"]
    expect(page.get_by_text("+442079460190")).to_be_visible()
    expect(page.get_by_text("stay in the history, and are exported as a sheet")).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("status")).to_contain_text("£6.00 came back")
    with page.expect_download() as saved:
        page.get_by_role("link", name="reception-desk-calls-all.csv", exact=True).click()  # as soon as it is there
    assert saved.value.path().read_text(encoding="utf-8-sig").startswith("id,profile,direction,caller_id")
    seen(page)
    page.get_by_role("link", name="Reports").click()
    seen(page)
    page.get_by_role("link", name="Statement of").click()
    expect(page.get_by_text("It adds up.")).to_be_visible()
    expect(page.get_by_role("cell", name=re.compile("20 channels and 1 bundle for Reception desk"))).to_be_visible()
    seen(page)
    page.get_by_role("link", name="Audit").click()
    expect(page.get_by_role("cell", name="profile.delete")).to_be_visible()
    seen(page)
    assert bench.in_store(ledger.verify).problems == []


@pytest.fixture
def by_the_second(bench: Bench) -> Iterator[None]:
    """A deck by which calls are priced by the second; afterwards the usual one."""

    def load(text: str, name: str) -> None:
        """In use at once."""
        now = SystemClock().now_ms()
        bench.in_store(lambda: decks.load(text, name, now, after_ms=0, mode="full"))

    load("prefix,name,price_per_minute,increments\n44,United Kingdom,0.60,1/1\n", "by the second")
    yield
    load(decks.SAMPLE.read_text(), decks.SAMPLE.name)


FORMS = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]


@pytest.mark.parametrize(("width", "scheme"), FORMS, ids=[f"{width}-{scheme}" for width, scheme in FORMS])
def test_every_entry_of_the_menu_in_each_form(
    browser: Browser, bench: Bench, width: int, scheme: Literal["light", "dark"]
) -> None:
    """Wide and narrow, light and dark: nothing for axe to find, nothing that scrolls sideways, the menu is there."""
    with watched(browser, bench, width) as page:
        page.emulate_media(color_scheme=scheme)
        welcomed(bench, page, f"looks-{width}-{scheme}@example.com")
        every = {each.permission for each in PAGES if each.permission is not None}
        for _, entries in menu.groups("/", every):
            for path, words, _, _ in entries:
                page.goto(path)
                if width < 500:
                    page.get_by_role("navigation", name="Main").get_by_text("Menu", exact=True).click()
                here = page.get_by_role("navigation", name="Main").get_by_role("link", name=words, exact=True)
                expect(here.last).to_have_attribute("aria-current", "page")
                seen(page)
                assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, (path, width)


@pytest.mark.usefixtures("by_the_second")
def test_live_calls_are_seen_and_their_cost_rises(bench: Bench, page: Page) -> None:
    """Ten calls by SIPp: the count, the meter and the cost follow without a reload; one is hung up; each has a CDR that
    explains itself.
    """
    outcome = bench.begin("looked at")
    welcomed(bench, page, "watcher@example.com")
    page.goto("/calls")
    expect(page.get_by_text("No call is up.")).to_be_visible()
    run = bench.caller(UNTIL_BYE, 10, 10).start()
    expect(page.get_by_role("heading", name="Live calls: 10")).to_be_visible()
    cost = page.locator("tbody tr").first.locator("td").nth(5)
    expect(cost).to_have_text(re.compile(r"^£0\.[0-9]*[1-9]0?$"))
    first = cost.inner_text()
    expect(cost).not_to_have_text(first)
    assert float(cost.inner_text().removeprefix("£")) > float(first.removeprefix("£"))
    seen(page)
    page.get_by_role("button", name="Hang up").first.click()
    expect(page.get_by_role("heading", name="Live calls: 9")).to_be_visible()
    page.goto("/profiles")
    page.get_by_role("link", name="office", exact=True).click()
    expect(page.get_by_text("9 of 300 in use")).to_be_visible()
    assert page.locator("meter").get_attribute("max") == "300"
    bench.instance.far_end_hangs_up()
    result = run.wait(30)
    assert result.counts.get("ended") == 10, result.why()
    cdrs = bench.end(outcome)
    assert outcome.problems == []
    expect(page.get_by_text("0 of 300 in use")).to_be_visible()
    page.get_by_role("link", name="Report of the month").click()
    expect(page.locator("svg.chart")).to_have_count(2)
    expect(page.get_by_role("cell", name="United Kingdom", exact=True)).to_be_visible()
    seen(page)
    page.goto(f"/history/{cdrs[0].id}")
    explained = bench.in_store(lambda: history.explain(cdrs[0].id))
    expect(page.get_by_text("It agrees.")).to_be_visible()
    expect(page.get_by_text(explained.blocks)).to_be_visible()
    seen(page)


def test_nobody_sees_anything_without_signing_in(bench: Bench, page: Page) -> None:
    """Every page leads to the sign-in, and from there back; a wrong password is told like a wrong address."""
    welcomed(bench, page, "again@example.com", "viewer")
    expect(page.get_by_role("link", name="Set up a SIP profile")).to_have_count(0)
    page.get_by_role("button", name="Sign out").click()
    page.goto("/history?direction=in")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    seen(page)
    fill(page, "Sign in", **{"E-mail address": "again@example.com", "Password": "wrong"})
    expect(page.get_by_role("alert")).to_contain_text("The details are not correct")
    fill(page, "Sign in", **{"E-mail address": "again@example.com", "Password": PASSWORD})
    expect(page.get_by_role("heading", name="History")).to_be_visible()
    assert page.url.endswith("/history?direction=in")
    page.goto("/profiles/new")
    expect(page.get_by_role("heading", name="You may not do this")).to_be_visible()


def test_keys_search_and_lead_to_pages(browser: Browser, bench: Bench) -> None:
    """/ goes to the search, Enter searches, Esc leaves the field, and g with a letter leads to a page of the menu; in a
    field the letters are letters.
    """
    with watched(browser, bench, 1200) as page:
        welcomed(bench, page, "keys@example.com")
        page.keyboard.press("/")
        page.keyboard.type("gho ")
        expect(page.get_by_role("searchbox", name="Search")).to_have_value("gho ")
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.type("OFFICE")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Search: OFFICE")).to_be_visible()
        expect(page.get_by_role("main").get_by_role("link", name="office")).to_be_visible()
        page.keyboard.press("/")
        page.keyboard.press("Escape")
        page.keyboard.press("g")
        page.keyboard.press("h")
        page.wait_for_url("**/history")
