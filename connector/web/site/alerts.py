"""Notices: what was told, to whom it was sent, and where it is posted to."""

from __future__ import annotations

from typing import Any, ClassVar

from connector.billing import thresholds
from connector.core.access import check_calls_told
from connector.core.alerts import KINDS, THRESHOLDS
from connector.core.formats import typed
from connector.core.paging import Turn
from connector.core.terms import term
from connector.notices import notices, webhooks
from connector.notices.webhooks import WebhookView
from connector.web.endpoint import Ask
from connector.web.render import spoken, when
from connector.web.site.frame import (
    Form,
    Line,
    Outcome,
    Quote,
    Shown,
    SitePages,
    TextOrNone,
    company_or_profiles,
    entry,
    tables_page,
)
from connector.words import marked, tr, tr_n

pages = SitePages()

ROWS = 50
POSTS = {
    "notices": marked("Notices"),
    "calls": marked("Events of calls"),
    "both": marked("Notices and events of calls"),
}
_EVENTS = marked("Events of calls are posted when a call starts, is answered, ends or is refused.")


@pages.get("/alerts", "company.read", of_company=True)
def alerts_page(ask: Ask) -> Shown:
    """What was told, and what became of it."""
    may = "alerts.write" in ask.actor.permissions
    told = [
        [when(each.at, ask.zone), KINDS[each.kind][0] if each.kind in KINDS else each.kind, spoken(each.text, ask.zone)]
        for each in notices.page_of(ask.scope, Turn(None, ROWS)).items
    ]
    sent = [
        [
            when(each.at, ask.zone),
            each.to,
            spoken(each.text, ask.zone),
            term(each.state) + (f": {each.why}" if each.why else ""),
            str(each.tries),
        ]
        for each in webhooks.page_of(ask.scope, Turn(None, ROWS)).items
    ]
    hooks: list[list[Any]] = [
        [each.url, _posts(each), when(each.created_at, ask.zone), _waiting(each),
         [(tr("Change"), f"/alerts/webhooks/{each.id}/change"), (tr("Test"), f"/alerts/webhooks/{each.id}/test"),
          (tr("Remove"), f"/alerts/webhooks/{each.id}/remove")]]
        for each in webhooks.views(ask.scope)
    ]  # fmt: skip
    own: list[list[Any]] = [
        [each.words, each.profile or tr("the whole company"), [(tr("Remove"), f"/alerts/thresholds/{each.id}/remove")]]
        for each in thresholds.views(ask.scope)
    ]
    tables: list[dict[str, Any]] = [
        {
            "title": tr("What was told"),
            "heads": [tr("When"), tr("What"), tr("In words")],
            "rows": told,
            "empty": tr("Nothing yet."),
        },
        {
            "title": tr("Your thresholds"),
            "heads": [tr("Tell me when"), tr("Of"), ""],
            "rows": own,
            "empty": tr(
                "None. You are told without them when money is low, a trunk is down, or all channels were in use."
            ),
            "actions": [(tr("Add a threshold"), "/alerts/thresholds/new")] if may else [],
        },
        {
            "title": tr("What was sent"),
            "heads": [tr("When"), tr("To"), tr("In words"), tr("State"), tr("Tries")],
            "rows": sent,
            "empty": tr(
                "Nothing yet. Owners get every e-mail, the role finance those about money, and operators "
                "those about trunks and channels."
            ),
        },
        {
            "title": tr("Webhooks"),
            "heads": ["URL", tr("Posts"), tr("Since"), tr("Waiting"), ""],
            "rows": hooks,
            "empty": tr("None: notices and events of calls are posted nowhere."),
        },
    ]
    tables = tables if may else tables[:1]  # addresses are their owners' business
    actions = [(tr("Add a webhook"), "/alerts/webhooks/new")] if may else []
    return tables_page(tr("Alerts"), tables, actions=actions)


def _posts(found: WebhookView) -> str:
    """What is posted there."""
    return tr(POSTS[_posted_what(found)])


def _posted_what(found: WebhookView) -> str:
    if found.notices and found.calls:
        return "both"
    return "calls" if found.calls else "notices"


def _wanted(posts: str, ask: Ask) -> tuple[bool, bool]:
    """Whether notices and events of calls are wanted. Forbidden to who sees no calls."""
    told, events = posts != "calls", posts != "notices"
    if events:
        check_calls_told(ask.actor)
    return told, events


def _waiting(found: WebhookView) -> str:
    """How many events of calls wait, why, and how many were given up."""
    said = [str(found.waiting)] if found.calls else []
    if found.why:
        said.append(tr("the last post failed: {why}", why=found.why))
    if found.given_up:
        said.append(
            tr_n("{count} event was given up after a day", "{count} events were given up after a day", found.given_up)
        )
    return "; ".join(said)


@pages.form("/alerts/thresholds/new", "alerts.write", "Add a threshold", of_company=True, back="/alerts")
class NewThreshold(Form):
    """What to be told of."""

    button: ClassVar[str] = "Add"
    kind: str = entry("Tell me when", choices=tuple((kind, of.words) for kind, of in THRESHOLDS.items()))
    value: str = entry(
        "Value", "", hint="An amount of money or a number of calls or channels; empty where there is none."
    )
    profile: TextOrNone = entry("Of", None, kind="choice")

    @classmethod
    def choices(cls, ask: Ask) -> dict[str, list[Line]]:
        """The whole company, or a profile."""
        return {"profile": company_or_profiles(ask)}

    def do(self, ask: Ask) -> Outcome:
        """Add it."""
        of_money = THRESHOLDS[self.kind].unit == "money"
        limit = thresholds.limit_of(self.kind, typed(self.value, ask.currency) if of_money else self.value)
        made = thresholds.create(self.kind, limit, ask.company, self.profile, ask.now)
        return Outcome("/alerts", tr("You are told when: {words}", words=made.words))


@pages.form("/alerts/thresholds/{threshold}/remove", "alerts.write", "Remove a threshold", back="/alerts")
class RemoveThreshold(Form):
    """Tell of it no more."""

    danger: ClassVar[bool] = True
    button: ClassVar[str] = "Remove"

    def quote(self, ask: Ask) -> Quote | None:
        """Which."""
        return Quote([(tr("Tell me when"), thresholds.remove(ask.number("threshold")).words)])

    def do(self, ask: Ask) -> Outcome:
        """Remove it."""
        return Outcome(
            "/alerts",
            tr("You will not be told any more when: {words}", words=thresholds.remove(ask.number("threshold")).words),
        )


@pages.form("/alerts/webhooks/new", "alerts.write", "Add a webhook", of_company=True, back="/alerts")
class NewWebhook(Form):
    """Where to post to, and what."""

    button: ClassVar[str] = "Add"
    url: str = entry("URL", hint="As in https://example.com/notices. It has to be a public address.")
    posts: str = entry(
        "Posts",
        "notices",
        choices=tuple(POSTS.items()),
        hint=_EVENTS,
    )

    def do(self, ask: Ask) -> Outcome:
        """Add it."""
        told, events = _wanted(self.posts, ask)
        made = webhooks.create(self.url, ask.now, ask.company, told=told, calls=events)
        lines = (("URL", made.webhook.url), (tr("Secret"), made.secret))
        return Outcome("/alerts", tr("Posts are signed by this secret; it is shown now and never again."), lines)


@pages.form("/alerts/webhooks/{webhook}/change", "alerts.write", "Change a webhook", back="/alerts")
class ChangeWebhook(Form):
    """What is posted there."""

    posts: str = entry("Posts", choices=tuple(POSTS.items()), hint=_EVENTS)

    @classmethod
    def intro(cls, ask: Ask) -> str:
        """Which."""
        return webhooks.show(ask.number("webhook")).url

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """What is posted now."""
        return {"posts": _posted_what(webhooks.show(ask.number("webhook")))}

    def do(self, ask: Ask) -> Outcome:
        """Change it."""
        told, events = _wanted(self.posts, ask)
        made = webhooks.change(ask.number("webhook"), ask.now, told=told, calls=events)
        return Outcome("/alerts", tr("{posts} are posted to {url}", posts=_posts(made), url=made.url))


@pages.form("/alerts/webhooks/{webhook}/test", "alerts.write", "Test a webhook", back="/alerts")
class TestWebhook(Form):
    """Post a test."""

    button: ClassVar[str] = "Post a test"

    def do(self, ask: Ask) -> Outcome:
        """Post it."""
        return Outcome(
            "/alerts", tr("A test is on its way to {url}", url=webhooks.test(ask.number("webhook"), ask.now).url)
        )


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
        return Outcome("/alerts", tr("Nothing more is posted to {url}", url=webhooks.remove(ask.number("webhook")).url))
