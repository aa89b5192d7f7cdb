"""The report of a measurement: one page, as PDF and as HTML, for people who want to check an EF by eye and keep it."""

from __future__ import annotations

import datetime

from lvef.measure.results import Result
from lvef.report.content import page_of

REPORT_PDF_NAME = "report.pdf"
"""The page as a file beside an answer."""

REPORT_HTML_NAME = "report.html"
"""The same for a browser."""


def report_pdf(answer: Result, *, made_at: datetime.datetime | None = None) -> bytes:
    """The report as one A4 page: vector lines, words that can be searched and copied, fonts inside.

    Args:
        answer: A measurement in any status, its film (None where it is not at hand) and, of a biplane study, its views.
        made_at: Time that stands on the page; the clock's where None.

    Returns:
        The file. The same answer and time give the same bytes.
    """
    from lvef.report.pdf import draw_pdf

    made_at = made_at or datetime.datetime.now(datetime.UTC)
    return draw_pdf(page_of(answer, made_at), made_at)


def report_html(answer: Result, *, made_at: datetime.datetime | None = None) -> str:
    """The report as one HTML page that needs nothing beside it: no script, nothing from outside.

    Args:
        answer: As for `report_pdf`.
        made_at: Time that stands on the page; the clock's where None.
    """
    from lvef.report.html import draw_html

    return draw_html(page_of(answer, made_at or datetime.datetime.now(datetime.UTC)))
