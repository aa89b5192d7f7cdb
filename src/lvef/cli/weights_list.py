"""``lvef weights list | info | verify``: which models are installed, what their cards say, whether they are intact."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from lvef.cli.derived import options_from
from lvef.cli.options import is_quiet, json_option, verbosity_options
from lvef.measure.options import MeasureOptions


@click.command(
    "list",
    epilog="""\b
Examples:
  lvef weights list
  lvef weights list --json""",
)
@json_option()
def list_(as_json: bool) -> None:
    """List the installed models: name, version, kind, EF error on other hospitals' clips, licence."""
    from lvef.cli.info import gather_models
    from lvef.core.errors import WeightsError
    from lvef.core.serialization import to_json

    models, problem = gather_models(None)
    if problem:
        raise WeightsError(problem)
    if as_json:
        click.echo(to_json(models), nl=False)
        return
    from lvef.cli.show_models import print_models

    print_models(models)


@click.command(
    epilog="""\b
Examples:
  lvef weights info camus-seg
  lvef weights info FOLDER --json"""
)
@click.argument("model")
@json_option()
def info(model: str, as_json: bool) -> None:
    """Print all that the card of MODEL says: licence, training data, metrics with intervals, citation.

    MODEL is the name of an installed model, or a folder with model.onnx and card.json.
    """
    from lvef.cli.info import gather_models
    from lvef.core.serialization import to_json

    [facts], _ = gather_models(model)
    if as_json:
        click.echo(to_json(facts), nl=False)
        return
    from lvef.cli.show_models import print_model

    print_model(facts)


@click.command(
    epilog="""\b
Examples:
  lvef weights verify
  lvef weights verify camus-seg FOLDER --backend onnxruntime

Exit code: 0 all is right, 1 a model is wrong, 2 usage error."""
)
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@options_from(MeasureOptions, only=("backend",))
@json_option()
@verbosity_options("")
@click.pass_context
def verify(ctx: click.Context, models: tuple[str, ...], backend: str, as_json: bool) -> None:
    """Verify each MODEL, or all that are installed.

    The card is complete, model.onnx is the file for which the card was written (SHA-256), the engine loads it, one inference
    on zeros gives the output that the card states, and the calibration beside it belongs to it.
    """
    from lvef.core.errors import WeightsError
    from lvef.core.serialization import to_json
    from lvef.inference.card import CARD_NAME
    from lvef.inference.catalogue import find_model, model_folders
    from lvef.measure.verification import verify_model

    # A folder is verified even where its card is damaged; a name must be that of an installed model.
    folders = [
        Path(name) if (Path(name) / CARD_NAME).is_file() else find_model(name).folder for name in models
    ]
    found = [verify_model(folder, backend) for folder in folders or model_folders()]
    if not found:
        raise WeightsError('No model is installed: run pip install "lvef[weights]".')
    if as_json:
        click.echo(to_json([asdict(one) | {"folder": str(one.folder)} for one in found]), nl=False)
    else:
        from lvef.cli.show import print_lines

        shown = [one for one in found if one.problem or not is_quiet()]
        print_lines(
            (f"{v.name} {v.version}".strip(), v.problem or f"ok: {', '.join(v.checked)}") for v in shown
        )
    ctx.exit(1 if any(one.problem for one in found) else 0)
