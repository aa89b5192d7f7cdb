"""The command ``lvef``: runs a verb, and turns every error into one sentence and an exit code.

0 all done, 1 something failed, 2 usage error, 3 only refusals, 130 stopped by the user, 143 and 129 stopped by SIGTERM and
SIGHUP.
Options come from the command line, else from variables such as ``LVEF_MEASURE_WEIGHTS``, else from `lvef.cli.config_file`.
"""

from __future__ import annotations

import _thread
import errno
import io
import os
import signal
import sys
import time
import traceback
from contextlib import nullcontext, suppress
from types import FrameType
from typing import Any

import click

import lvef
from lvef.cli.lazy import LazyGroup, option_key
from lvef.cli.watchdog import watched
from lvef.core.errors import (
    LvefError,
    QualityRefusal,
    UnknownNameError,
    did_you_mean,
    error_location,
    file_error_message,
    was_interrupted,
)

VERBS = {
    "measure": ("lvef.cli.measure", "measure", "Measure the ejection fraction of echo files."),
    "demo": ("lvef.cli.demo", "demo", "Measure the real echo that is installed with lvef."),
    "report": ("lvef.cli.report", "report", "Report of a measurement: PDF and HTML."),
    "app": ("lvef.cli.serve", "app", "Web page: drop a clip, see and correct its EF."),
    "serve": ("lvef.cli.serve", "serve", "HTTP service: measurements for programs."),
    "train": ("lvef.cli.train", "train", "Train a model from a recipe; cross-validation by patient."),
    "tune": ("lvef.cli.tune", "tune", "Tune the settings of a recipe: grid or search."),
    "evaluate": ("lvef.cli.evaluate", "evaluate", "Evaluate models: stills, datasets, synthetic clips."),
    "data": ("lvef.cli.data", "data", "Datasets: import, check, convert, prepare."),
    "explore": ("lvef.cli.explore", "explore", "Table, plots and outliers of a manifest."),
    "synthesize": (
        "lvef.cli.synthesize",
        "synthesize",
        "Make clips with known truth: phantoms, animated stills.",
    ),
    "weights": ("lvef.cli.weights", "weights", "Models: list, verify, import, calibrate."),
    "info": ("lvef.cli.info", "info", "Versions, models, licences."),
    "completion": ("lvef.cli.info", "completion", "Tab completion for bash, zsh and fish."),
}
"""Verb -> its module, the command in it, and its line in the help, so that ``lvef --help`` loads none of the modules.
"""

SECTIONS = {
    "Measure": ("measure", "demo", "report", "app", "serve"),
    "Data": ("data", "explore", "synthesize"),
    "Models": ("train", "tune", "evaluate", "weights"),
    "This installation": ("info", "completion"),
}
"""Verbs by purpose, in the order of the help."""

START = """\
lvef measures the left-ventricular ejection fraction (EF) of echo files.

  lvef measure clip.dcm    measure a file, or all files of a folder
  lvef demo                measure a real echo that is installed with lvef
  lvef app                 the same in the browser
  lvef --help              all commands; lvef measure --help: all options

Research and teaching use only. Not a medical device.
"""
"""What ``lvef`` without arguments prints."""

VARIABLES = "LVEF"
"""Beginning of the names of environment variables."""

DEBUG_VARIABLE = "LVEF_DEBUG"
"""Environment variable that shows the traceback of any error."""


SHORT_VERBS = ("", "info", "weights", "completion")
"""Verbs that run without the watchdog; the empty one is help."""

SERVERS = ("app", "serve")
"""Verbs that run until they are stopped."""

STOPPED = 130
"""Exit code after Ctrl-C."""

STOP_SIGNALS = ("SIGTERM", "SIGHUP")
"""Signals that stop a command as Ctrl-C does: of a batch system, a container, a terminal that is closed. The exit code is
128 more than their number."""

STOPPED_SENTENCE = "stopped. Finished files stay in the output folder; the same command resumes from there."
"""Message after a stop."""

NO_MEMORY = (
    "there was not enough memory. Finished files stay in the output folder; give fewer --jobs, or free some memory, and the "
    "same command resumes from there."
)
"""Message where memory has run out."""

CLOSING_S = 5.0
"""Seconds the interpreter may take to exit."""


class StartPage(click.UsageError):
    """The command line is empty."""

    def __init__(self, ctx: click.Context) -> None:
        super().__init__(START, ctx)

    def show(self, file: Any = None) -> None:  # noqa: ANN401
        """Print what to type next, where click prints the help of a group without a command."""
        click.echo(self.message, file=file, err=True, nl=False)


class MainGroup(LazyGroup):
    """The verbs of ``lvef``; an error ends in one sentence."""

    def main(self, args: Any = None, *rest: Any, **options: Any) -> Any:  # noqa: ANN401
        """Run the command line; without ``args`` that of the process, under `lvef.cli.watchdog`."""
        if args is not None:
            return super().main(args, *rest, **options)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper) and "utf" not in (stream.encoding or "").lower():
                # A terminal without m² must not end a run.
                stream.reconfigure(errors="replace")
        # The commands of a notebook inherit its backend, which may not be installed here. Nothing is shown on a screen.
        os.environ["MPLBACKEND"] = "agg"
        verb = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
        try:
            _obey_stop_signals()
            with nullcontext() if verb in SHORT_VERBS else watched(server=verb in SERVERS):
                return super().main(None, *rest, **options)
        except SystemExit as end:
            _exit_soon(end.code)
            raise
        except KeyboardInterrupt:
            # Before a verb starts, or after it ends.
            _print_error("stopped.")
            _exit_now(_stop_code())

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words before the verb."""
        if not args and not ctx.resilient_parsing:
            raise StartPage(ctx)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run the verb; see the module for the exit codes."""
        try:
            self._read_config(ctx)
            return super().invoke(ctx)
        except click.NoSuchOption as error:
            raise _with_hint(error) from None
        except click.BadParameter as error:
            raise _with_variable(error) from None
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except LvefError as error:
            _print_traceback()
            _print_error(str(error))
            if _stopped_by or was_interrupted(error):
                # What went wrong while the command ended.
                ctx.exit(_stop_code())
            ctx.exit(
                3 if isinstance(error, QualityRefusal) else 2 if isinstance(error, UnknownNameError) else 1
            )
        except BaseException as error:
            # Libraries in Rust raise their own kind of BaseException, and others turn that of a stop into theirs.
            if _stopped_by or was_interrupted(error):
                _print_error(STOPPED_SENTENCE)
                ctx.exit(_stop_code())
            if isinstance(error, SystemExit) or (isinstance(error, OSError) and error.errno == errno.EPIPE):
                raise
            _print_traceback()
            from lvef.core.memory import is_out_of_memory

            _print_error(
                NO_MEMORY if is_out_of_memory(error) else file_error_message(error) or _bug_message(error)
            )
            ctx.exit(1)

    def _read_config(self, ctx: click.Context) -> None:
        from lvef.cli.config_file import ConfigFileError, read_config

        try:
            ctx.default_map = read_config(self, ctx)
        except ConfigFileError:
            # Help must work even where the file does not.
            if not {"-h", "--help"} & set(ctx.args):
                raise


@click.group(
    cls=MainGroup,
    verbs=VERBS,
    sections=SECTIONS,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": VARIABLES},
)
@click.version_option(lvef.__version__, message="lvef %(version)s")
def main() -> None:
    """Left-ventricular ejection fraction from cardiac ultrasound.

    Research and teaching use only. Not a medical device.

    Examples:
      lvef measure clip.dcm
      lvef measure study/ --out results
      lvef measure --help

    Defaults of options can stand in a config file and in environment variables
    (LVEF_MEASURE_WEIGHTS); lvef info says which file is in force.
    """


_stopped_by: list[int] = []
"""The stop signal that came, if one did: libraries turn its exception into others."""


def _obey_stop_signals() -> None:
    """Let stop signals end a command as Ctrl-C does; one that is ignored (nohup) stays so."""
    for name in STOP_SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _stop)


def _stop(number: int, _: FrameType | None) -> None:
    # One is enough: another one would disturb the end.
    signal.signal(number, signal.SIG_IGN)
    _stopped_by.append(number)
    raise KeyboardInterrupt


def _stop_code() -> int:
    return 128 + _stopped_by[0] if _stopped_by else STOPPED


def _exit_soon(code: object) -> None:
    """Make sure that the process ends: the interpreter would wait for threads, one of which may be stuck in native code."""
    number = code if isinstance(code, int) else int(code is not None)
    # Without that module nothing ran in threads.
    workers = sys.modules.get("lvef.core.workers")
    if number == _stop_code() or (workers is not None and workers.has_abandoned_work()):
        _exit_now(number)
    try:
        # Not by threading: without memory, its start() may wait for ever for a thread that died as it began.
        _thread.start_new_thread(_exit_later, (number,))
    except (RuntimeError, MemoryError):
        _exit_now(number)


def _exit_later(code: int) -> None:
    time.sleep(CLOSING_S)
    _exit_now(code)


def _exit_now(code: int) -> None:
    from lvef.io.atomic import remove_unfinished

    remove_unfinished()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _with_hint(error: click.NoSuchOption) -> click.UsageError:
    """Name the option that was probably meant."""
    params = [] if error.ctx is None else error.ctx.command.params
    known = [name for p in params if not getattr(p, "hidden", False) for name in (*p.opts, *p.secondary_opts)]
    hint = did_you_mean(error.option_name, [name for name in known if name.startswith("--")])
    return click.UsageError(f"There is no option {error.option_name}{hint or '.'}", error.ctx)


def _with_variable(error: click.BadParameter) -> click.BadParameter:
    """Name the environment variable where the wrong value stands in one."""
    ctx, option = error.ctx, error.param
    if ctx is None or not isinstance(option, click.Option) or option.name is None:
        return error
    if ctx.get_parameter_source(option.name) is click.core.ParameterSource.ENVIRONMENT:
        name = f"{ctx.auto_envvar_prefix}_{option_key(option)}".upper().replace("-", "_")
        text = f"{error.message} It stands in the environment variable {name}."
        return click.BadParameter(text, ctx, option)
    return error


def _print_error(sentence: str) -> None:
    click.echo(f"lvef: {sentence}", err=True)


def _print_traceback() -> None:
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exc(file=sys.stderr)


def _bug_message(error: BaseException) -> str:
    # The message may contain patient data: it is shown only on request, and no traceback is written to disk.
    return (
        f"this is a bug in lvef {lvef.__version__}, not a usage error: {error_location(error)}. Run it again with "
        f"{DEBUG_VARIABLE}=1 and report what it prints, without names of patients."
    )


if __name__ == "__main__":
    main()
