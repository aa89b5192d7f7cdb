"""``lvef info``: what is installed, what it runs on, under which licences."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import click

import lvef
from lvef.core.errors import LvefError

CODE_LICENCE = "Apache-2.0"
"""Licence of the code; each network carries its own."""


@click.command(epilog="Example: lvef info --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def info(as_json: bool) -> None:
    """Versions, machine, engines, installed networks, licences."""
    from lvef.measure.report import to_json

    facts = gather()
    if as_json:
        click.echo(to_json(facts), nl=False)
    else:
        _print(facts)


def gather() -> dict[str, Any]:
    """Everything ``lvef info`` tells, as plain values."""
    from lvef.measure.environment import describe_machine, package_versions
    from lvef.measure.wording import DISCLAIMER

    networks, problem = _networks()
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
    from lvef.engine.session import BACKENDS, bf16_available

    engines: dict[str, dict[str, Any]] = {}
    for name in BACKENDS:
        installed = find_spec(name) is not None
        precisions = ["f32"] if installed else []
        if installed and name == "openvino" and bf16_available():
            precisions.append("bf16")
        engines[name] = {"installed": installed, "precisions": precisions}
    return engines


def _networks() -> tuple[list[dict[str, Any]], str]:
    """A summary of every card, and what is wrong with the catalogue, if anything."""
    from lvef.engine.catalogue import list_networks

    try:
        entries = list_networks()
    except LvefError as error:
        return [], str(error)
    networks = []
    for entry in entries:
        card = entry.card
        figures = [
            {
                "name": f.name,
                "value": f.value,
                "unit": f.unit,
                "low": f.low,
                "high": f.high,
                "n": f.n,
                "split": f.split,
            }
            for f in card.figures
        ]
        networks.append(
            {
                "name": card.name,
                "version": card.version,
                "kind": card.kind,
                "title": card.title,
                "licence": card.licence,
                "intended_use": card.intended_use,
                "trained_on": card.training.data,
                "citation": card.training.citation,
                "sha256": card.model_sha256,
                "size_mb": round(entry.model_path.stat().st_size / 1e6, 2)
                if entry.model_path.is_file()
                else None,
                "parameters": card.architecture.get("parameters"),
                "figures": figures,
                "limits": list(card.limits),
            }
        )
    return networks, "" if networks else 'No network is installed: run pip install "lvef[weights]".'


def _print(facts: dict[str, Any]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from lvef.cli.show import make_console

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
        lines.append((f"Network {network['name']}", f"{network['title']} (version {network['version']})"))
        lines += [
            ("  Kind", _size_of(network)),
            ("  Licence", network["licence"]),
            ("  Trained on", network["trained_on"]),
            ("  Cite", network["citation"]),
        ]
        lines += [
            (
                f"  {f['name']}",
                f"{f['value']:.3g} {f['unit']} ({f['low']:.3g}-{f['high']:.3g}), n = {f['n']}, {f['split']}",
            )
            for f in network["figures"]
            if not f["name"].startswith("cost_")
        ]
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
    """Kind, size and number of parameters, as far as they are told."""
    parts = [network["kind"]]
    if network["size_mb"] is not None:
        parts.append(f"{network['size_mb']:.1f} MB")
    if isinstance(network["parameters"], int):
        parts.append(f"{network['parameters'] / 1e6:.2f} million parameters")
    return ", ".join(parts)
