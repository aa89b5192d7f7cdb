"""``lvef app``: the web page."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from lvef.cli.derived import options_from
from lvef.core.errors import MissingExtraError
from lvef.webapp.settings import AppSettings


@click.command(
    epilog="""\b
Examples:
  lvef app
  lvef app --port 0 --no-open
  lvef app --host 0.0.0.0 --base-path echo
  lvef app --data ~/lvef-page --keep-hours 72"""
)
@options_from(
    AppSettings,
    only=("host", "port", "max_upload_mb", "weights", "base_path", "data", "keep_hours"),
    ranges={
        "port": click.IntRange(0, 65535),
        "max_upload_mb": click.IntRange(1, 4096),
        "data": click.Path(path_type=Path, file_okay=False),
        "keep_hours": click.FloatRange(0, 24 * 365, min_open=True),
    },
)
@click.option(
    "--open/--no-open",
    "open_browser",
    default=True,
    help="Open the page in the browser, or not.  [default: open]",
)
def app(**values: Any) -> None:  # noqa: ANN401
    """Serve the web page: upload a clip, see and correct its EF.

    Prints the address and serves until stopped with Ctrl+C. Nothing leaves this machine. Files, results and corrections are
    kept in a private folder until the visitor forgets them, at most --keep-hours; without --data they are removed when the
    page is stopped. There is no password: let other machines in only through a proxy that asks for one.
    """
    if find_spec("uvicorn") is None or find_spec("starlette") is None:
        raise MissingExtraError("The web page", "app")
    from lvef.webapp.server import run_app

    values["base_path"] = values["base_path"].strip("/")
    run_app(AppSettings(**values), click.echo)
