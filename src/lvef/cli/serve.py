"""``lvef serve`` and ``lvef app``: the HTTP service, and the web page."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from lvef.cli.lazy import Verb
from lvef.cli.options import Integer, Number, TomlType, options_from
from lvef.core.errors import MissingExtraError
from lvef.measure.thresholds import Thresholds
from lvef.service.settings import ServiceSettings
from lvef.webapp.settings import AppSettings

RANGES: dict[str, click.ParamType[Any]] = {
    "host": click.STRING,
    "port": Integer(0, 65535),
    "workers": Integer(0, 64),
    "threads": Integer(0, 256),
    "weights": click.STRING,
    "precision": click.Choice(["auto", "f32", "bf16"]),
    "thresholds": TomlType(Thresholds),
    "max_upload_mb": Integer(1, 4096),
    "max_files": Integer(1, 1000),
    "max_queue": Integer(1, 10_000),
    "max_seconds": Integer(1, 3600),
    "max_frames": Integer(1, 100_000),
    "max_memory_mb": Integer(0, 2**20),
    "max_store_mb": Integer(1, 2**24),
    "keep_hours": Number(0, 24 * 365),
    "grace_seconds": Integer(0, 3600),
    "data": click.Path(path_type=Path, file_okay=False),
    "allow_host": click.STRING,
    "allow_origin": click.STRING,
    "root_path": click.STRING,
}
"""Settings of the service that are options, with their ranges; defaults and help are those of `ServiceSettings`."""


@click.command(cls=Verb)
@options_from(ServiceSettings, only=RANGES, ranges=RANGES, aliases={"workers": ("-j", "--jobs")})
@click.option(
    "--api-key-file",
    type=click.Path(path_type=Path),
    help="File with the API key that requests must carry; or set LVEF_API_KEY.",
)
@click.option("--no-key", is_flag=True, help="Use no key, even where other machines can reach the address.")
@click.option(
    "--log/--no-log", default=True, help="A line for each request on stderr, without names.  [default: log]"
)
def serve(api_key_file: Path | None, no_key: bool, log: bool, **values: Any) -> None:  # noqa: ANN401
    """Serve measurements over HTTP to programs.

    Listens on this machine alone by default. Prints its address once it responds. Uploads are deleted once they are
    measured; nothing is sent anywhere.

    Examples:
      lvef serve
      lvef serve --port 0 --workers 2 --keep-hours 1
      LVEF_API_KEY=$(openssl rand -hex 24) lvef serve --host 0.0.0.0
      curl -F files=@clip.dcm -F wait=60 http://127.0.0.1:8000/v1/measure

    http://127.0.0.1:8000/docs lists all routes.
    """
    if no_key and api_key_file is not None:
        raise click.UsageError("--no-key and --api-key-file contradict each other: give one.")
    values["root_path"] = _checked_root(values["root_path"])
    for origin in values["allow_origin"]:
        if not origin.startswith(("http://", "https://")):
            raise click.UsageError("--allow-origin is an origin such as https://echo.example.org.")
    try:
        from lvef.service.server import resolve_api_key, run_service
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("lvef"):
            raise
        raise MissingExtraError("The service", "service") from None
    settings = resolve_api_key(ServiceSettings(**values), api_key_file, no_key)
    # echo flushes: the parent process may read the address through a pipe.
    run_service(settings, announce=click.echo, log=log)


def _checked_root(path: str) -> str:
    root = path.rstrip("/")
    if root and (not root.startswith("/") or not root.isascii() or set(root) & set(' "\\?#{}')):
        raise click.UsageError("--root-path is a path that begins with /, for example /lvef.")
    return root


@click.command(cls=Verb)
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

    Examples:
      lvef app
      lvef app --port 0 --no-open
      lvef app --host 0.0.0.0 --base-path echo
      lvef app --data ~/lvef-page --keep-hours 72
    """
    if find_spec("uvicorn") is None or find_spec("starlette") is None:
        raise MissingExtraError("The web page", "app")
    from lvef.webapp.server import run_app

    values["base_path"] = values["base_path"].strip("/")
    run_app(AppSettings(**values), click.echo)
