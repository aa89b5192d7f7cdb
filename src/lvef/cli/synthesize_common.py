"""What the verbs of ``lvef synthesize`` share: options, the run with its bar, what is told at the end."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

if TYPE_CHECKING:
    from lvef.stores.synthetic import ClipResult, Source, Synthesized, Task
    from lvef.stores.synthetic_sources import Between

F = TypeVar("F", bound=Callable[..., Any])

VIEWS = ("A4C", "A2C")
"""Views that can be made; `lvef.core.terms.View` has them too."""

RHYTHMS = ("sinus", "fibrillation", "ectopic")
"""Rhythms; `lvef.synthesis.volume_curves.RhythmKind` has them too, but loads numpy."""

SPLITS = ("TRAIN", "VAL", "TEST")
"""Parts of a collection; `lvef.datasets.echonet_list` has them too, but loads polars."""

SHOWN = 20
"""Refused or failed clips that are told one by one; ``run.json`` holds all."""

EXIT_CODES = (
    "Exit code: 0 done (refused stills are told), 1 something failed, 2 wrong words, 3 only refusals."
)


class Limits(NamedTuple):
    """A value, or the ends of a range from which it is drawn."""

    low: float
    high: float


class RangeType(click.ParamType[Limits]):
    """A number, or two with a hyphen between them.

    Args:
        low: Least number that makes sense.
        high: Largest.
    """

    name = "LOW-HIGH"

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Limits:  # noqa: ANN401
        """Read it; wrong words end in a sentence."""
        if isinstance(value, Limits):
            return value
        number = r"\d+(?:\.\d+)?"
        found = re.fullmatch(rf"\s*({number})\s*(?:-\s*({number})\s*)?", str(value))
        if found is None:
            self.fail(f"{value!r} is no number and no range like {self.low:g}-{self.high:g}.", param, ctx)
        limits = Limits(float(found[1]), float(found[2] or found[1]))
        if not self.low <= limits.low <= limits.high <= self.high:
            self.fail(
                f"{value!r} does not lie, with the smaller number first, within {self.low:g}-{self.high:g}.",
                param,
                ctx,
            )
        return limits


def common(command: F) -> F:
    """Options that all collections share."""
    options = (
        click.argument("out", type=click.Path(path_type=Path, file_okay=False)),
        click.option(
            "--seed",
            type=click.IntRange(min=0),
            default=0,
            show_default=True,
            help="From which all chance comes.",
        ),
        click.option(
            "--view",
            type=click.Choice(VIEWS, case_sensitive=False),
            default=VIEWS[0],
            show_default=True,
            help="View.",
        ),
        click.option(
            "--ef-percent",
            type=RangeType(8, 78),
            help="EF, one or a range, for example 30-45.  [default: drawn over the whole range]",
        ),
        click.option(
            "--heart-rate-bpm", type=RangeType(30, 200), help="Heart rate, one or a range.  [default: drawn]"
        ),
        click.option(
            "--rhythm", type=click.Choice(RHYTHMS), help="Rhythm.  [default: drawn; seven in ten sinus]"
        ),
        click.option(
            "--frame-rate-hz",
            type=RangeType(10, 200),
            help="Frames a second, one or a range.  [default: drawn]",
        ),
        click.option(
            "--frames",
            type=click.IntRange(8, 2000),
            help="Frames of each clip.  [default: as many as two to five beats take]",
        ),
        click.option(
            "--size",
            type=click.IntRange(48, 512),
            default=112,
            show_default=True,
            help="Side of the square in pixels; EchoNet-Dynamic has 112.",
        ),
        click.option(
            "--all-split",
            type=click.Choice(SPLITS, case_sensitive=False),
            help="Put all clips into one part.  [default: TRAIN, VAL and TEST by patient]",
        ),
        click.option(
            "--workers", type=click.IntRange(min=0), default=0, help="Processes; 0 takes one a processor."
        ),
        click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def between(limits: Limits | None) -> Between | None:
    """Words of the command line as the sources take them."""
    from lvef.stores.synthetic_sources import Between

    return None if limits is None else Between(limits.low, limits.high)


def run(
    source: Source, tasks: Sequence[Task], out: Path, *, seed: int, workers: int, as_json: bool
) -> Synthesized:
    """Make the clips with a bar on stderr, and tell what was done.

    Args:
        source: Makes them.
        tasks: Which.
        out: Folder.
        seed: From which all chance comes.
        workers: Processes.
        as_json: Print JSON instead of a sentence.
    """
    from lvef.cli.progress import show_progress
    from lvef.stores.synthetic import synthesize

    told = 0

    def on_finished(finished: ClipResult) -> None:
        nonlocal told
        if finished.reason:
            told += 1
            if told <= SHOWN:
                progress.message(f"{finished.outcome}: {finished.reason}")

    with show_progress("Making clips") as progress:
        result = synthesize(
            source, tasks, out, seed=seed, workers=workers, progress=progress, on_finished=on_finished
        )
    if told > SHOWN:
        click.echo(f"lvef: {told - SHOWN} more were left out; see {out / 'run.json'}.", err=True)
    if as_json:
        from lvef.core.serialization import to_json

        click.echo(to_json(as_values(result, source)), nl=False)
    else:
        click.echo(sentence(result))
    return result


def as_values(result: Synthesized, source: Source) -> dict[str, Any]:
    """What was done, as plain values."""
    return {
        "out": str(result.out),
        "counts": result.counts,
        "splits": dict(result.splits),
        "frames": result.frames,
        "seconds": result.seconds,
        "licence": source.terms.licence,
        **{
            outcome: [
                {"name": f.task.name, "reason": f.reason} for f in result.finished if f.outcome == outcome
            ]
            for outcome in ("refused", "failed")
        },
    }


def sentence(result: Synthesized) -> str:
    """What was done, for people."""
    words = ", ".join(f"{n} {name}" for name, n in result.counts.items() if n) or "nothing to do"
    splits = ", ".join(f"{n} {name}" for name, n in result.splits.items() if n) or "no clip"
    return f"Written to {result.out}: {words}, in {result.seconds:.1f} s. It holds {splits}."
