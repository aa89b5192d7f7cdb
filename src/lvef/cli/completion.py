"""``lvef completion``: the script by which a shell completes verbs and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")
"""Shells that click supports."""


@click.command(
    epilog="""\b
Examples:
  eval "$(lvef completion bash)"                    # in ~/.bashrc
  eval "$(lvef completion zsh)"                     # in ~/.zshrc
  lvef completion fish > ~/.config/fish/completions/lvef.fish"""
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script by which SHELL completes commands and options with the Tab key."""
    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(ctx.find_root().command, {}, "lvef", "_LVEF_COMPLETE").source())
