"""``lvef synthesize``: collections of clips with known truth, in EchoNet-Dynamic's layout."""

from __future__ import annotations

import click

from lvef.cli.lazy import LazyGroup

VERBS = {
    "phantom": (
        "lvef.cli.synthesize_phantom",
        "phantom",
        "Computed hearts, with their volume in space; free for anyone.",
    ),
    "motion": (
        "lvef.cli.synthesize_motion",
        "motion",
        "Stills of CAMUS set in motion; under CAMUS's licence.",
    ),
}
"""Verb -> its module, the command's name in it, and its line in the help."""


@click.group(
    cls=LazyGroup,
    verbs=VERBS,
    epilog="Example: lvef synthesize phantom out/phantoms --clips 200 --seed 1",
)
def synthesize() -> None:
    """Clips whose ejection fraction, volumes, beats and contours are known.

    Each collection has the layout of EchoNet-Dynamic, with masks, curves and beats beside it. The same seed gives the same
    clips; a run that was stopped goes on when the same command is given again.
    """
