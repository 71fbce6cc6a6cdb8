"""Notices: what was told, to whom it was sent, and where it is posted to."""

from __future__ import annotations

from typing import Any, ClassVar

from connector.core.alerts import KINDS
from connector.core.paging import Turn
from connector.notices import notices, webhooks
from connector.web.endpoint import Ask
from connector.web.render import when
from connector.web.site.frame import Form, Outcome, Quote, Shown, SitePages, entry, tables_page

pages = SitePages()

ROWS = 50


@pages.get("/alerts", "company.read", of_company=True)
def alerts_page(ask: Ask) -> Shown:
    """What was told, and what became of it."""
    may = "alerts.write" in ask.actor.permissions
    told = [
        [when(each.at, ask.zone), KINDS[each.kind][0] if each.kind in KINDS else each.kind, each.text]
        for each in notices.page_of(ask.scope, Turn(None, ROWS)).items
    ]
    sent = [
        [when(each.at, ask.zone), each.to, each.text, f"{each.state}: {each.why}" if each.why else each.state,
         str(each.tries)]
        for each in webhooks.page_of(ask.scope, Turn(None, ROWS)).items
    ]  # fmt: skip
    hooks: list[list[Any]] = [
        [each.url, when(each.created_at, ask.zone),
         [("Test", f"/alerts/webhooks/{each.id}/test"), ("Remove", f"/alerts/webhooks/{each.id}/remove")]]
        for each in webhooks.views(ask.scope)
    ]  # fmt: skip
    tables = [
        {"title": "What was told", "heads": ["When", "What", "In words"], "rows": told, "empty": "Nothing yet."},
        {
            "title": "What was sent",
            "heads": ["When", "To", "In words", "State", "Tries"],
            "rows": sent,
            "empty": "Nothing yet. Owners get mail, besides finance for money and operators for trunks and channels.",
        },
        {
            "title": "Webhooks",
            "heads": ["URL", "Since", ""],
            "rows": hooks,
            "empty": "None: notices are posted nowhere.",
        },
    ]
    tables = tables if may else tables[:1]  # addresses are their owners' business
    actions = [("Add a webhook", "/alerts/webhooks/new")] if may else []
    return tables_page("Alerts", tables, actions=actions)


@pages.form("/alerts/webhooks/new", "alerts.write", "Add a webhook", of_company=True, back="/alerts")
class NewWebhook(Form):
    """Where to post to."""

    button: ClassVar[str] = "Add"
    url: str = entry("URL", hint="As in https://example.com/notices. It has to be a public address.")

    def do(self, ask: Ask) -> Outcome:
        """Add it."""
        made = webhooks.create(self.url, ask.now, ask.company)
        lines = (("URL", made.webhook.url), ("Secret", made.secret))
        return Outcome("/alerts", "Posts are signed by this secret; it is shown now and never again.", lines)


@pages.form("/alerts/webhooks/{webhook}/test", "alerts.write", "Test a webhook", back="/alerts")
class TestWebhook(Form):
    """Post a test."""

    button: ClassVar[str] = "Post a test"

    def do(self, ask: Ask) -> Outcome:
        """Post it."""
        return Outcome("/alerts", f"A test is on its way to {webhooks.test(ask.number('webhook'), ask.now).url}")


@pages.form("/alerts/webhooks/{webhook}/remove", "alerts.write", "Remove a webhook", back="/alerts")
class RemoveWebhook(Form):
    """Post nothing more there."""

    danger: ClassVar[bool] = True
    button: ClassVar[str] = "Remove"

    def quote(self, ask: Ask) -> Quote | None:
        """Which."""
        return Quote([("URL", webhooks.remove(ask.number("webhook")).url)])

    def do(self, ask: Ask) -> Outcome:
        """Remove it."""
        return Outcome("/alerts", f"Nothing more is posted to {webhooks.remove(ask.number('webhook')).url}")
