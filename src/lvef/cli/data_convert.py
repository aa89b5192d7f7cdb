"""``lvef data convert``: de-identified copies of DICOM files, videos and stills, with a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lvef.cli.options import FILE, FOLDER, PATH, json_option, verbosity_options, workers_option

if TYPE_CHECKING:
    from lvef.stores.convert import Conversion

FORMATS = ("avi", "png")
"""What a clip becomes; `lvef.stores.deidentify.Format` has them too, but loads the decoders."""


@click.command(
    short_help="De-identified AVI or PNG copies with a manifest.",
    epilog="""\b
Examples:
  lvef data convert study/ --out deidentified
  lvef data convert a.dcm b.avi --out frames --format png
  lvef data convert camus.parquet --out copies
  lvef data convert study/ --out deidentified --rename --key-file safe/key.csv

Exit code: 0 all done, 1 something failed, 2 usage error, 3 only refusals.""",
)
@click.argument("inputs", nargs=-1, required=True, type=PATH, metavar="INPUT...")
@click.option(
    "-o",
    "--out",
    type=FOLDER,
    required=True,
    help="Folder for the copies and manifest.csv: a new or empty one, or that of an earlier run.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="avi",
    show_default=True,
    help="What a clip becomes: a Motion JPEG AVI, or a PNG for each frame. A still is always a PNG.",
)
@click.option("--rename", is_flag=True, help="Running numbers in place of the names of files and patients.")
@click.option(
    "--key-file",
    type=FILE,
    help="Write which number stands for which file and patient; goes with --rename. Keep it apart from the copies.",
)
@click.option(
    "--resume/--no-resume",
    default=True,
    show_default=True,
    help="Keep copies of an earlier run into the same folder whose source has not changed.",
)
@workers_option("Files at once; 0 leaves the choice to lvef.")
@json_option("Print what became of each file as JSON.")
@verbosity_options()
@click.pass_context
def convert(
    ctx: click.Context,
    inputs: tuple[Path, ...],
    out: Path,
    form: str,
    rename: bool,
    key_file: Path | None,
    resume: bool,
    workers: int,
    as_json: bool,
) -> None:
    """Copy echo files without what they say of a person.

    INPUT is a file (DICOM, video, still), a folder, or a manifest. All outside the ultrasound sector becomes black, header
    and metadata are not copied, colour becomes grey. A file without a sector is refused. Text inside the sector stays: look
    at the copies before you pass them on.
    """
    _check(out, rename, key_file)
    # Loaded here, so that help and usage errors stay fast.
    from lvef.cli.progress import show_progress
    from lvef.core.runner import exit_code_of
    from lvef.stores.convert import Settings, check_key_file, counts_of, sources_of, write_key_file
    from lvef.stores.convert import convert as run
    from lvef.stores.deidentify import Format

    if key_file is not None:
        check_key_file(key_file)
    sources = sources_of(inputs)

    def on_finished(finished: Conversion) -> None:
        if finished.reason:
            progress.message(finished.reason)
        for notice in finished.notices:
            progress.message(f"{finished.source.path}: {notice}")

    settings = Settings(Format(form), rename, resume, workers)
    with show_progress("Converting", lambda conversion: str(conversion.outcome)) as progress:
        done = run(sources, out, settings, progress=progress, on_finished=on_finished)
    if key_file is not None:
        write_key_file(key_file, done)
    counts = counts_of(done)
    if as_json:
        from lvef.core.serialization import to_json

        click.echo(
            to_json({"out": str(out), "counts": counts, "files": [_values(d) for d in done]}), nl=False
        )
    else:
        words = ", ".join(f"{n} {name}" for name, n in counts.items() if n)
        click.echo(f"Written to {out}: {words}. Look at the images before you pass them on.")
    ctx.exit(exit_code_of(conversion.outcome for conversion in done))


def _check(out: Path, rename: bool, key_file: Path | None) -> None:
    """Refuse arguments that do not go together.

    Raises:
        UsageError: With what to write instead.
    """
    if key_file is None:
        return
    if not rename:
        raise click.UsageError("--key-file goes with --rename: without it there are no numbers to explain.")
    if out.resolve() in key_file.resolve().parents:
        raise click.UsageError("--key-file lies in --out: keep the key apart from the copies.")


def _values(finished: Conversion) -> dict[str, Any]:
    return {
        "source": str(finished.source.path),
        "outcome": finished.outcome,
        "reason": finished.reason,
        "item": finished.name,
        "patient": finished.patient,
        "notices": list(finished.notices),
    }
