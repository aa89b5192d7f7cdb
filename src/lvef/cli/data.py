"""``lvef data``: collections, from their owners' layout to checked manifests and network inputs."""

from __future__ import annotations

import click

from lvef.cli.lazy import LazyGroup

VERBS = {
    "info": (
        "lvef.cli.data_info",
        "info",
        "What a collection holds, where to ask for it, under which terms.",
    ),
    "import": ("lvef.cli.data_import", "import_", "Read a collection into a manifest."),
    "check": ("lvef.cli.data_check", "check", "Find what is missing, doubled, unreadable or contradictory."),
    "convert": ("lvef.cli.data_convert", "convert", "De-identified AVI or PNG copies with a manifest."),
    "prepare": ("lvef.cli.data_prepare", "prepare", "Inputs for networks: two-stream, volume-traces, clips."),
}
"""Verb -> its module, the command's name in it, and its line in the help."""


@click.group(
    cls=LazyGroup,
    verbs=VERBS,
    epilog="Example: lvef data import camus /data/CAMUS --out camus.parquet",
)
def data() -> None:
    """Collections: where to get them, reading, checking, converting, preparing.

    Nothing is downloaded: every collection needs its owners' permission. lvef data info NAME tells whom to ask.
    """
