"""Options made from a dataclass: one default, one sentence, in one place."""

from __future__ import annotations

import dataclasses

import click
import pytest
from click.testing import CliRunner

from lvef.cli.measure import measure
from lvef.cli.options import build, field_docs, options_from
from lvef.core.terms import Sex
from lvef.measure.options import MeasureOptions


@dataclasses.dataclass(frozen=True)
class Example:
    """Something to set."""

    first_word: str = "a"
    """The first
    word."""
    size_px: int | None = None
    """A size."""
    sex: Sex | None = None
    """A sex."""
    twice: bool = False
    """Yes or no."""


@click.command()
@options_from(Example, aliases={"size_px": ("--size",)})
def command(**values):
    click.echo(repr(build(Example, values)))


def call(*words):
    return CliRunner().invoke(command, words)


def test_fields_become_options_and_come_back():
    assert call().output == f"{Example()!r}\n"
    done = call("--first-word", "b", "--size", "3", "--sex", "m")
    assert done.output == f"{Example('b', 3, Sex.MALE)!r}\n"


def test_a_yes_or_no_is_a_flag_without_a_value():
    assert call("--twice").output == f"{Example(twice=True)!r}\n"
    assert call("--twice", "yes").exit_code == 2


def test_docstrings_become_help():
    assert field_docs(Example) == {
        "first_word": "The first word.",
        "size_px": "A size.",
        "sex": "A sex.",
        "twice": "Yes or no.",
    }
    page = call("--help").output
    assert "The first word.  [default: a]" in page
    assert page.index("--first-word") < page.index("--size-px") < page.index("--sex")


def test_values_of_the_wrong_kind_are_refused():
    assert call("--size-px", "x").exit_code == 2
    assert call("--size-px", "-1").exit_code == 2
    assert call("--sex", "x").exit_code == 2


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(MeasureOptions)])
def test_every_setting_of_a_measurement_is_an_option_with_help(field):
    option = next(parameter for parameter in measure.params if parameter.name == field)
    assert isinstance(option, click.Option)
    assert option.help
    assert option.opts[0] == f"--{field.replace('_', '-')}"
