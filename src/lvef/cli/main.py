"""The command ``lvef``: finds the verb, and turns every error into one sentence and an exit code.

0 all done, 1 something failed, 2 wrong words, 3 only refusals, 130 stopped by the user.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
import traceback
from contextlib import nullcontext, suppress
from typing import Any

import click

import lvef
from lvef.cli.lazy import LazyVerbs
from lvef.cli.watchdog import watched
from lvef.core.errors import LvefError, QualityRefusal, error_location

VERBS = {
    "measure": ("lvef.cli.measure", "measure", "Measure the ejection fraction of echo files."),
    "demo": ("lvef.cli.demo", "demo", "Measure the real echo that comes with the package."),
    "report": ("lvef.cli.report", "report", "One page about a measurement: PDF and HTML."),
    "app": ("lvef.cli.app", "app", "The web page: drop a clip, see and correct its EF."),
    "serve": ("lvef.cli.serve", "serve", "The HTTP service: measurements for programs."),
    "train": ("lvef.cli.train", "train", "Train a network by a recipe; cross-validation by patient."),
    "tune": ("lvef.cli.tune", "tune", "Look for better settings of a recipe: a grid, or a search."),
    "evaluate": ("lvef.cli.evaluate", "evaluate", "Judge networks: stills, clips, known truth."),
    "data": ("lvef.cli.data", "data", "Collections: import, check, convert, prepare."),
    "explore": ("lvef.cli.explore", "explore", "Table, plots and outliers of a manifest."),
    "synthesize": (
        "lvef.cli.synthesize",
        "synthesize",
        "Make clips with known truth: phantoms, moving stills.",
    ),
    "weights": ("lvef.cli.weights", "weights", "Networks that others published: import."),
    "info": ("lvef.cli.info", "info", "Versions, networks, licences."),
}
"""Verb -> its module, the command's name in it, and its line in the help.

The lines stand here so that ``lvef --help`` loads none of the modules.
"""

DEBUG_VARIABLE = "LVEF_DEBUG"
"""Environment variable that shows the traceback of any error."""


SHORT_VERBS = ("", "info", "weights")
"""Verbs that need nobody to look after them; the empty one is help."""

SERVERS = ("app", "serve")
"""Verbs that run until they are stopped."""

STOPPED = 130
"""Exit code after Ctrl-C."""

CLOSING_S = 5.0
"""How long the interpreter may take to end when all is done."""


class MainGroup(LazyVerbs):
    """The verbs of ``lvef``, whose errors end in a sentence."""

    def main(self, args: Any = None, *rest: Any, **options: Any) -> Any:  # noqa: ANN401
        """Run the command line; that of the process, where none is given, is looked after by `lvef.cli.watchdog`."""
        if args is not None:
            return super().main(args, *rest, **options)
        verb = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
        try:
            with nullcontext() if verb in SHORT_VERBS else watched(server=verb in SERVERS):
                return super().main(None, *rest, **options)
        except SystemExit as end:
            _leave(end.code)
            raise
        except KeyboardInterrupt:
            # Before a verb has begun, or when all is done.
            _say("stopped.")
            _end_now(STOPPED)

    def invoke(self, ctx: click.Context) -> object:
        """Run the verb; see the module for the exit codes."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except LvefError as error:
            _debug()
            _say(str(error))
            ctx.exit(3 if isinstance(error, QualityRefusal) else 1)
        except KeyboardInterrupt:
            _say(
                "stopped. Files that were finished stay in the output folder; the same command goes on from there."
            )
            ctx.exit(STOPPED)
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise
            _debug()
            _say(_bug_sentence(error))
            ctx.exit(1)


@click.group(
    cls=MainGroup,
    verbs=VERBS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: lvef measure clip.avi",
)
@click.version_option(lvef.__version__, message="lvef %(version)s")
def main() -> None:
    """Left-ventricular ejection fraction from cardiac ultrasound.

    Research and teaching use only. Not a medical device.
    """


def _leave(code: object) -> None:
    """See that the process ends: the interpreter would wait for threads, one of which may be stuck in native code."""
    number = code if isinstance(code, int) else int(code is not None)
    # Without that module nothing ran in threads.
    workers = sys.modules.get("lvef.core.workers")
    if number == STOPPED or (workers is not None and workers.has_abandoned_work()):
        _end_now(number)
    timer = threading.Timer(CLOSING_S, _end_now, [number])
    timer.daemon = True
    timer.start()


def _end_now(code: int) -> None:
    from lvef.io.atomic import remove_unfinished

    remove_unfinished()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _say(sentence: str) -> None:
    click.echo(f"lvef: {sentence}", err=True)


def _debug() -> None:
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exc(file=sys.stderr)


def _bug_sentence(error: Exception) -> str:
    # Its message is shown only on request, and no traceback is left on the disk.
    return (
        f"this is a bug in lvef {lvef.__version__}, not a mistake of yours: {error_location(error)}. Run it again with "
        f"{DEBUG_VARIABLE}=1 and report what it prints, without names of patients."
    )


if __name__ == "__main__":
    main()
