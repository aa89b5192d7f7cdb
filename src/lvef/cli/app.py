"""``lvef app``: the web page."""

from __future__ import annotations

from importlib.util import find_spec

import click

from lvef.core.errors import MissingExtraError
from lvef.measure.options import MeasureOptions


@click.command(
    epilog="""\b
Examples:
  lvef app
  lvef app --port 0 --no-open
  lvef app --host 0.0.0.0 --base-path echo"""
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; 0.0.0.0 lets other machines in.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8501,
    show_default=True,
    help="Port to listen on; 0 takes any that is free.",
)
@click.option(
    "--max-upload-mb",
    type=click.IntRange(1, 4096),
    default=200,
    show_default=True,
    help="Largest file that is taken, in MB.",
)
@click.option(
    "--weights",
    default=MeasureOptions.weights,
    show_default=True,
    help="Network that measures; see lvef info.",
)
@click.option(
    "--open/--no-open",
    "open_browser",
    default=True,
    help="Open the page in the browser, or not.  [default: open]",
)
@click.option("--base-path", default="", help="Path below which the page lies, behind a proxy.")
def app(host: str, port: int, max_upload_mb: int, weights: str, open_browser: bool, base_path: str) -> None:
    """Serve the web page: drop a clip, see and correct its EF.

    Prints the address and serves until stopped with Ctrl+C. Files stay on this machine and are not kept. There is no
    password: let other machines in only behind something that asks for one.
    """
    if find_spec("streamlit") is None:
        raise MissingExtraError("The web page", "app")
    from lvef.webapp.server import run
    from lvef.webapp.settings import AppSettings

    run(AppSettings(host, port, max_upload_mb, weights, open_browser, base_path.strip("/")), click.echo)
