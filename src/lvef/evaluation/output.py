"""The folder that an evaluation writes into: its page, its files, and its record ``run.json``.

The page comes from the template ``templates/page.html``; everything that comes in is text and is escaped.
"""

from __future__ import annotations

import datetime
import re
import struct
from base64 import b64encode
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lvef
from lvef.core.serialization import parse_json, printable, to_json
from lvef.evaluation.report import EvaluationReport, Plot, Section, metrics_csv
from lvef.io.atomic import make_folder, remove_files, write_bytes_atomic, write_text_atomic
from lvef.measure.environment import describe_machine, package_versions
from lvef.measure.options import MeasureOptions

if TYPE_CHECKING:
    from jinja2 import Template

RUN_NAME = "run.json"
"""What the run stood on, and which files it wrote."""

SUMMARY_NAME, PAGE_NAME, METRICS_NAME = "summary.json", "index.html", "metrics.csv"
"""The summary, the page, and the tidy table of metrics."""


def last_name(path: Path) -> str:
    """The last part of a path: the folders above may tell who works where."""
    return printable(path.resolve().name)


def write_report(folder: Path, report: EvaluationReport) -> list[str]:
    """Write a report's files. Files of an earlier run of the same kind that this one does not have are removed.

    Args:
        folder: Made when it is missing.
        report: What to write.

    Returns:
        Names of the files written, ``run.json`` last.

    Raises:
        DataError: The folder cannot be made or a file cannot be written.
    """
    make_folder(folder)
    texts = {
        SUMMARY_NAME: to_json(dict(report.summary)),
        PAGE_NAME: render_page(report.title, "\n\n".join(report.introduction), report.sections),
        **report.csv,
    }
    if report.metrics:
        texts[METRICS_NAME] = metrics_csv(report.metrics)
    return write_all(
        folder,
        report.run["schema"],
        texts,
        report.plots,
        lambda written: run_record(report.run, written),
        keep=report.keep,
    )


def settings_of(plan: Any, **changed: Any) -> dict[str, Any]:  # noqa: ANN401
    """The settings of a run, of paths the last part only: the folders above may reveal who works where.

    Args:
        plan: Dataclass of what was asked for; of its `MeasureOptions` runtime, precision and threads are taken.
        changed: Values that differ from the plan's.
    """
    found: dict[str, Any] = {}
    for name, value in ((f.name, getattr(plan, f.name)) for f in fields(plan)):
        if isinstance(value, MeasureOptions):
            found |= {"backend": value.backend, "precision": value.precision, "threads": value.threads}
        elif isinstance(value, tuple):
            found[name] = [last_name(Path(path)) for path in value]
        else:
            found[name] = last_name(value) if isinstance(value, Path) else value
    return found | changed


def run_record(facts: Mapping[str, Any], written: Sequence[str]) -> dict[str, Any]:
    """Content of ``run.json``: what is known of the run, and what every run has.

    Args:
        facts: ``schema``, ``seconds``, ``settings`` and whatever else an evaluation records.
        written: Names of the files.
    """
    return {
        **facts,
        "lvef_version": lvef.__version__,
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(facts["seconds"], 3),
        "files": list(written),
        "machine": describe_machine(),
        "packages": package_versions(),
    }


def write_all(
    folder: Path,
    schema: str,
    texts: Mapping[str, str],
    plots: Mapping[str, Plot],
    record: Callable[[list[str]], Mapping[str, Any]],
    keep: Collection[str] = (),
) -> list[str]:
    """Write files and the record of the run; see `write_report`.

    Args:
        folder: The output folder.
        schema: Layout of the run's record.
        texts: Texts by file name.
        plots: Plots by file name.
        record: Makes the run's record from the names that were written.
        keep: Names of an earlier run that stay.
    """
    earlier = earlier_files(folder, schema)
    for name, plot in plots.items():
        write_bytes_atomic(folder / name, plot.png)
    for name, text in texts.items():
        write_text_atomic(folder / name, text)
    written = sorted([*texts, *plots])
    remove_files(folder, earlier - set(written) - set(keep))
    # Last, because it says that all the rest is there.
    write_text_atomic(folder / RUN_NAME, to_json(dict(record(written))))
    return [*written, RUN_NAME]


def earlier_files(folder: Path, schema: str) -> set[str]:
    """Names that an earlier run of the same kind wrote there, according to its own record.

    Args:
        folder: The output folder.
        schema: Layout of the record; one of another kind is left alone.
    """
    try:
        record = parse_json((folder / RUN_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    if not isinstance(record, Mapping) or record.get("schema") != schema:
        return set()
    # Names only: a record that was edited must not reach outside the folder.
    return {name for name in record.get("files", []) if isinstance(name, str) and Path(name).name == name}


def render_page(title: str, introduction: str, sections: Sequence[Section]) -> str:
    """The whole page.

    Args:
        title: Title of the page.
        introduction: Plain text under it; an empty line starts a new paragraph.
        sections: In their order; with two or more there is a table of contents.

    Returns:
        HTML, to be written as UTF-8.
    """
    shown = [
        {
            "title": section.title,
            "text": section.text,
            "tables": section.tables,
            "plots": [_plot(plot) for plot in section.plots],
        }
        for section in sections
    ]
    return _template().render(title=title, introduction=introduction, sections=shown)


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("lvef.evaluation"), autoescape=True, undefined=StrictUndefined
    )
    environment.filters |= {"clean": _clean, "paragraphs": _paragraphs}
    return environment.get_template("page.html")


def _plot(plot: Plot) -> dict[str, str | int]:
    width, height = struct.unpack(">II", plot.png[16:24])
    return {"alt": plot.alt, "width": width, "height": height, "data": b64encode(plot.png).decode("ascii")}


def _paragraphs(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]


def _clean(text: str) -> str:
    """Without characters that no file can hold."""
    return "\n".join(printable(line) for line in text.splitlines())
