"""``lvef info`` and ``lvef completion``: what is installed, under which licences; how a shell completes commands."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import click
from click.shell_completion import get_completion_class

import lvef
from lvef.cli.lazy import Verb
from lvef.cli.options import json_option, print_json
from lvef.core.errors import LvefError

CODE_LICENCE = "Apache-2.0"
"""Licence of the code; each model carries its own."""


@click.command(cls=Verb)
@click.argument("name", required=False)
@click.option(
    "--all", "everything", is_flag=True, help="Also packages, citations and all metrics of every model."
)
@json_option()
def info(name: str | None, everything: bool, as_json: bool) -> None:
    """Versions, engines, config file, and a line for each installed model.

    With NAME, an installed model or its folder, all that its card says: metrics on other hospitals' clips first, then
    in-domain ones, licence, training data, citation. "External EF error" is the mean absolute error on clips of other
    hospitals.

    Examples:
      lvef info
      lvef info camus-seg
      lvef info --all
      lvef info --json
    """
    facts = gather(name)
    if as_json:
        print_json(facts)
    elif name is not None and not everything:
        from lvef.cli.show import print_disclaimer, print_model

        print_model(facts["networks"][0])
        print_disclaimer()
    elif everything:
        _print_all(facts)
    else:
        _print_short(facts)


def gather(name: str | None = None) -> dict[str, Any]:
    """Everything ``lvef info`` prints, as plain values.

    Args:
        name: One model; None for all installed ones.

    Raises:
        WeightsError: No such model, or it is damaged.
    """
    from lvef.core.wording import DISCLAIMER
    from lvef.measure.environment import describe_machine, package_versions

    networks, problem = gather_models(name)
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


def gather_models(name: str | None) -> tuple[list[dict[str, Any]], str]:
    """A summary of every card, or of one; and what is wrong with the catalogue, if anything.

    Args:
        name: One model or its folder; None for all installed ones.

    Raises:
        WeightsError: No such model, or it is damaged.
    """
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
    return networks, "" if networks else 'No model is installed: run pip install "lvef[weights]".'


def _print_short(facts: dict[str, Any]) -> None:
    from lvef.cli.show import print_disclaimer, print_lines, print_models

    machine = facts["machine"]
    engines = [
        f"{name} ({', '.join(engine['precisions'])})" if engine["installed"] else f"{name} not installed"
        for name, engine in facts["engines"].items()
    ]
    print_lines(
        [
            ("lvef", f"{facts['lvef_version']}, Python {machine['python']}, {machine['threads']} threads"),
            ("Engines", ", ".join(engines)),
            ("Config file", _config_text()),
            *([("Models", facts["networks_problem"])] if facts["networks_problem"] else []),
        ]
    )
    if facts["networks"]:
        click.echo()
        print_models(facts["networks"])
        click.echo("\nlvef info NAME prints all that is known of a model, lvef info --all everything.")
    print_disclaimer()


def _config_text() -> str:
    """The config file in force."""
    from lvef.cli.config_file import config_path, default_path

    path = config_path()
    return f"none (looked for {default_path()})" if path is None else str(path)


def _print_all(facts: dict[str, Any]) -> None:
    from lvef.cli.show import model_lines, print_disclaimer, print_lines

    machine = facts["machine"]
    lines = [
        ("lvef", f"{facts['lvef_version']}, code under {facts['code_licence']}"),
        (
            "Python",
            f"{machine['python']}, {machine['system']} {machine['machine']}, {machine['threads']} threads",
        ),
        ("Packages", ", ".join(f"{name} {version}" for name, version in facts["packages"].items())),
        ("Config file", _config_text()),
    ]
    for name, engine in facts["engines"].items():
        offers = ", ".join(engine["precisions"]) if engine["installed"] else "not installed"
        lines.append((f"Engine {name}", offers))
    for network in facts["networks"]:
        lines += model_lines(network)
    if facts["networks_problem"]:
        lines.append(("Models", facts["networks_problem"]))
    print_lines(lines)
    print_disclaimer()


SHELLS = ("bash", "zsh", "fish")
"""Shells that click supports."""


@click.command(cls=Verb)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script by which SHELL completes commands and options with the Tab key.

    Examples:
      eval "$(lvef completion bash)"                    # in ~/.bashrc
      eval "$(lvef completion zsh)"                     # in ~/.zshrc
      lvef completion fish > ~/.config/fish/completions/lvef.fish
    """
    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(ctx.find_root().command, {}, "lvef", "_LVEF_COMPLETE").source())
