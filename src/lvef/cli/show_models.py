"""Models as a table with a line each, and in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from lvef.cli.show import make_console, print_lines
from lvef.core.terms import VIEW
from lvef.inference.card import COST, MARK, NOT_VALIDATED, Figure, external_ef_error, metric_text

Facts = Mapping[str, Any]
"""What `lvef.inference.card.card_facts` says of a model, with citation, size and number of parameters."""

NOT_EXTERNAL = "not validated externally"
"""In place of an error on other hospitals' clips."""


NO_EF = "measures no EF"
"""The same for a model that recognises views."""


def print_models(models: Sequence[Facts]) -> None:
    """Print a line a model: name, version, kind, EF error on other hospitals' clips, licence.

    Where a terminal is too narrow for a table, each model is a sentence.
    """
    rows = [(f"{m['name']} {m['version']}", m["kind"], _error(m), m["licence"]) for m in models]
    console = make_console()
    needed = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    if sum(needed) + len(needed) - 1 > console.width:
        for name, kind, error, licence in rows:
            what = f"external EF error {error}" if error[0].isdigit() else error
            console.print(escape(f"{name}: {kind}, {what}, {licence}"))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name in ("Model", "Kind"):
        table.add_column(name, no_wrap=True)
    table.add_column("External EF error", no_wrap=True)
    table.add_column("Licence", no_wrap=True)
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


def print_model(model: Facts) -> None:
    """Print all that the card of a model says."""
    print_lines(model_lines(model))


def model_lines(model: Facts) -> list[tuple[str, str]]:
    """Labels and texts of a model, external metrics before in-domain ones."""
    mark = f"{MARK}: " if model["experimental"] else ""
    lines = [(f"Model {model['name']}", f"{mark}{model['title']} (version {model['version']})")]
    if model["experimental"]:
        lines.append(("  Warning", model["experimental_text"]))
    lines += [
        ("  Kind", _size_of(model)),
        ("  Licence", model["licence"]),
        ("  Trained on", model["trained_on"]),
        ("  Cite", model["citation"]),
    ]
    for heading, key in (("External", "external"), ("In-domain", "figures")):
        figures = [Figure(**values) for values in model[key] if not values["name"].startswith(COST)]
        if key == "external" or figures:
            lines.append((f"  {heading}", "" if figures else NOT_VALIDATED))
        lines += [(f"    {figure.name}", metric_text(figure)) for figure in figures]
    return lines


def _error(model: Facts) -> str:
    if model["kind"] == VIEW:
        return NO_EF
    error = external_ef_error([Figure(**values) for values in model["external"]])
    text = NOT_EXTERNAL if error is None else f"{error.value:.1f} points"
    return f"{text}, {MARK}" if model["experimental"] else text


def _size_of(model: Facts) -> str:
    """Kind, size and number of parameters, as far as they are known."""
    parts = [model["kind"]]
    if model["size_mb"] is not None:
        parts.append(f"{model['size_mb']:.1f} MB")
    if isinstance(model["parameters"], int):
        parts.append(f"{model['parameters'] / 1e6:.2f} million parameters")
    return ", ".join(parts)
