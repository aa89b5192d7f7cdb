"""What all pages share: elements from one template, and errors as messages instead of tracebacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache, wraps
from pathlib import Path
from typing import Any

import streamlit as st
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lvef.core.errors import LvefError
from lvef.core.wording import note_text
from lvef.webapp.measuring import bug_message

HERE = Path(__file__).parent
"""Folder of the page's files."""


@cache
def _elements() -> Any:  # noqa: ANN401
    loader = FileSystemLoader(HERE)
    environment = Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    return environment.get_template("elements.html").module


def element_html(name: str, *values: object) -> str:
    """An element of ``elements.html`` as HTML; a file's name or any other text in it cannot become markup.

    Args:
        name: Of its macro.
        values: Arguments of the macro.
    """
    return str(getattr(_elements(), name)(*values))


def show_element(name: str, *values: object, width: Any = "stretch") -> None:  # noqa: ANN401
    """Show an element of ``elements.html``."""
    st.html(element_html(name, *values), width=width)


def show_heading(title: str, lead: str) -> None:
    """The heading of a page."""
    show_element("heading", title, lead)


def show_section(title: str, lead: str = "") -> None:
    """The heading of a part of a page."""
    show_element("section", title, lead)


def show_error(text: str, title: str = "This did not work") -> None:
    """An error message."""
    show_element("message", title, text)


def show_warning_list(texts: Sequence[str]) -> None:
    """Warnings; nothing where there are none."""
    if texts:
        show_element("warnings", texts)


def show_facts(rows: Iterable[tuple[str, str]], label: str) -> None:
    """Names and values."""
    show_element("facts", rows, label)


def show_table(header: Sequence[str], rows: Sequence[tuple[Sequence[str], str]], label: str) -> None:
    """A table; each row is its cells and its style."""
    show_element("table", header, rows, label)


def show_errors(page: Callable[[], None]) -> Callable[[], None]:
    """Show an error of a page as a message, never as a traceback; nothing of it is logged."""

    @wraps(page)
    def wrapped() -> None:
        try:
            page()
        except LvefError as error:
            show_error(note_text(str(error)))
        except Exception as error:  # noqa: BLE001  a visitor must get a message, whatever went wrong
            show_error(note_text(bug_message(error)))

    return wrapped
