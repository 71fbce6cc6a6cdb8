"""What to do next, for the surface that says it: a page links to a page, the command line names a command.

An error that has a cure carries one of these: `BadInput("...", step=steps.buy_channels(username))`.
"""

from __future__ import annotations

from connector.errors import NextStep


def buy_channels(username: str) -> NextStep:
    """For a profile without a subscription."""
    return NextStep("Buy channels", f"/profiles/{username}/channels", "connector channels buy")


def change_channels(username: str) -> NextStep:
    """For a profile that has a subscription."""
    return NextStep("Change the channels", f"/profiles/{username}/channels/change", "connector channels change")


def add_money() -> NextStep:
    """For a company whose balance is too low."""
    return NextStep("Add money", "/money/add", "connector company topup")


def verify_number() -> NextStep:
    """For a caller ID that is not one of the company's numbers."""
    return NextStep("Verify a number", "/numbers/verified/new", "connector numbers verify")


def set_exchange_rate(currency: str, target: str) -> NextStep:
    """For a cost sheet in a currency whose worth is not known."""
    command = f"connector exchange set {currency} {target} RATE"
    return NextStep("Set an exchange rate", "/margins/exchange", command)


def set_hours(name: str) -> NextStep:
    """For a route that names hours that do not exist."""
    return NextStep("Set hours", "/hours/set", f"connector hours set {name} ...")


def create_mailbox(name: str) -> NextStep:
    """For a route that names a mailbox that does not exist."""
    return NextStep("Add a mailbox", "/mailboxes/new", f"connector voicemail create {name} ...")


def create_department() -> NextStep:
    """For a route that names a department that does not exist."""
    return NextStep("Set a department", "/departments/set", "connector department set")


def answer_about_sheet(key: str, answer: str) -> NextStep:
    """For a rate sheet that can be read in several ways; on the page, the answers are fields of its form."""
    return NextStep("", "", f"connector rates load FILE --answer '{key}={answer}'")
