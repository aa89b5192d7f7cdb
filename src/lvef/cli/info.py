"""``lvef info``: what is installed, what it runs on, under which licences."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import click

import lvef
from lvef.core.errors import LvefError

CODE_LICENCE = "Apache-2.0"
"""Licence of the code; each network carries its own."""


@click.command(
    epilog="""\b
Examples:
  lvef info
  lvef info camus-seg
  lvef info --json"""
)
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def info(name: str | None, as_json: bool) -> None:
    """Versions, machine, engines, installed networks, licences.

    With NAME, an installed network or its folder, that network alone. Experimental networks are marked. Metrics on other
    hospitals' clips come before in-domain ones.
    """
    from lvef.core.serialization import to_json

    facts = gather(name)
    if as_json:
        click.echo(to_json(facts), nl=False)
    else:
        _print(facts)


def gather(name: str | None = None) -> dict[str, Any]:
    """Everything ``lvef info`` prints, as plain values.

    Args:
        name: One network; None for all installed ones.

    Raises:
        WeightsError: No such network, or it is damaged.
    """
    from lvef.core.wording import DISCLAIMER
    from lvef.measure.environment import describe_machine, package_versions

    networks, problem = _networks(name)
    return {
        "lvef_version": lvef.__version__,
        "disclaimer": DISCLAIMER,
        "code_licence": CODE_LICENCE,
        "machine": describe_machine(),
        "engines": _engines(),
        "networks": networks,
        "networks_problem": problem,
        "packages": package_versions(),
    }


def _engines() -> dict[str, dict[str, Any]]:
    """Each backend: whether it is installed, and the arithmetic it offers on this processor."""
    from lvef.inference.session import BACKENDS, bf16_available

    engines: dict[str, dict[str, Any]] = {}
    for name in BACKENDS:
        installed = find_spec(name) is not None
        precisions = ["f32"] if installed else []
        if installed and name == "openvino" and bf16_available():
            precisions.append("bf16")
        engines[name] = {"installed": installed, "precisions": precisions}
    return engines


def _networks(name: str | None) -> tuple[list[dict[str, Any]], str]:
    """A summary of every card, or of one; and what is wrong with the catalogue, if anything."""
    from lvef.inference.card import card_facts
    from lvef.inference.catalogue import find_model, list_models

    try:
        entries = list_models() if name is None else [find_model(name)]
    except LvefError as error:
        if name is not None:
            raise
        return [], str(error)
    networks = [
        {
            **card_facts(entry.card),
            "citation": entry.card.training.citation,
            "size_mb": round(entry.model_path.stat().st_size / 1e6, 2)
            if entry.model_path.is_file()
            else None,
            "parameters": entry.card.architecture.get("parameters"),
        }
        for entry in entries
    ]
    return networks, "" if networks else 'No network is installed: run pip install "lvef[weights]".'


def _print(facts: dict[str, Any]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from lvef.cli.show import make_console
    from lvef.inference.card import COST, MARK, NOT_VALIDATED, Figure, metric_text

    machine = facts["machine"]
    lines = [
        ("lvef", f"{facts['lvef_version']}, code under {facts['code_licence']}"),
        (
            "Python",
            f"{machine['python']}, {machine['system']} {machine['machine']}, {machine['threads']} threads",
        ),
        ("Packages", ", ".join(f"{name} {version}" for name, version in facts["packages"].items())),
    ]
    for name, engine in facts["engines"].items():
        lines.append(
            (f"Engine {name}", ", ".join(engine["precisions"]) if engine["installed"] else "not installed")
        )
    for network in facts["networks"]:
        mark = f"{MARK}: " if network["experimental"] else ""
        lines.append(
            (f"Network {network['name']}", f"{mark}{network['title']} (version {network['version']})")
        )
        if network["experimental"]:
            lines.append(("  Warning", network["experimental_text"]))
        lines += [
            ("  Kind", _size_of(network)),
            ("  Licence", network["licence"]),
            ("  Trained on", network["trained_on"]),
            ("  Cite", network["citation"]),
        ]
        for heading, key in (("External", "external"), ("In-domain", "figures")):
            figures = [Figure(**values) for values in network[key] if not values["name"].startswith(COST)]
            if key == "external" or figures:
                lines.append((f"  {heading}", "" if figures else NOT_VALIDATED))
            lines += [(f"    {figure.name}", metric_text(figure)) for figure in figures]
    if facts["networks_problem"]:
        lines.append(("Networks", facts["networks_problem"]))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in lines:
        table.add_row(escape(name), escape(text))
    console = make_console()
    console.print(table)
    console.print(facts["disclaimer"], style="dim")


def _size_of(network: dict[str, Any]) -> str:
    """Kind, size and number of parameters, as far as they are known."""
    parts = [network["kind"]]
    if network["size_mb"] is not None:
        parts.append(f"{network['size_mb']:.1f} MB")
    if isinstance(network["parameters"], int):
        parts.append(f"{network['parameters'] / 1e6:.2f} million parameters")
    return ", ".join(parts)
