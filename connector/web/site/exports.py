"""Sheets to take away: asked for, written in the background, downloaded."""

from __future__ import annotations

from typing import Any, ClassVar

from connector.billing import exports, profiles, reports
from connector.core.paging import Turn
from connector.core.times import local_month
from connector.web.endpoint import Ask, Download, may_export, sheet_of
from connector.web.site.frame import Form, Line, Outcome, Shown, SitePages, TextOrNone, entry
from connector.words import tr

pages = SitePages()

ROWS = 50


@pages.get("/exports", "money.read")
def exports_page(ask: Ask) -> Shown:
    """The sheets that were asked for, and how far they are."""
    found = exports.page_of(ask.scope, Turn(None, ROWS)).items
    going_on = any(each.state in ("waiting", "running") for each in found)
    return Shown("exports.html", {"exports": found, "going_on": going_on, "node": ask.place.node})


@pages.get("/exports/{export}/file", "money.read")
def sheet(ask: Ask) -> Download:
    """A sheet, to be saved."""
    return sheet_of(ask)


@pages.form("/exports/new", "money.read", "Export", of_company=True, back="/exports")
class NewExport(Form):
    """A company's."""

    button: ClassVar[str] = "Export"
    kind: str = entry("What", "calls", choices=tuple(exports.KINDS.items()))
    month: TextOrNone = entry("Month", None, kind="choice")

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """The month that runs."""
        return {"month": local_month(ask.now, ask.zone)}

    @classmethod
    def choices(cls, ask: Ask) -> dict[str, list[Line]]:
        """The months that there are."""
        return {
            "month": [("", tr("all there is")), *((month, month) for month in reports.months(ask.company, ask.now))]
        }

    @classmethod
    def intro(cls, ask: Ask) -> str:
        """What comes."""
        return tr("A CSV file, written in the background. Its call costs are checked against the ledger.")

    def do(self, ask: Ask) -> Outcome:
        """Ask for it."""
        may_export(ask, self.kind)
        made = exports.ask(self.kind, ask.place.node, ask.now, **self.whose(ask), month=self.month)
        return Outcome("/exports", tr("{name} is being written", name=made.name))

    @classmethod
    def whose(cls, ask: Ask) -> dict[str, str | None]:
        """Of what it is to be."""
        return {"company": ask.company}


@pages.form("/profiles/{profile}/export", "money.read", "Export", back="/profiles/{profile}")
class NewProfileExport(NewExport):
    """One profile's."""

    kind: str = entry(
        "What", "calls", choices=tuple(each for each in exports.KINDS.items() if each[0] not in exports.OF_COMPANY)
    )

    @classmethod
    def intro(cls, ask: Ask) -> str:
        """Whose."""
        return tr("Of {name}. {intro}", name=profiles.show_profile(ask.path["profile"]).name, intro=super().intro(ask))

    @classmethod
    def whose(cls, ask: Ask) -> dict[str, str | None]:
        """Of the profile."""
        return {"profile": ask.path["profile"]}
