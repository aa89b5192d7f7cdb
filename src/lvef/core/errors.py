"""The exception tree.

::

    LvefError                 anything this package raises on purpose
    ├── DataError             a file, folder or table that cannot be used
    │   ├── VideoError        ... a video or image
    │   ├── DicomError        ... a DICOM object
    │   └── OutputError       ... an output that cannot be written
    ├── ConfigError           a setting, recipe or card that is wrong
    ├── WeightsError          a model that is missing, damaged or of the wrong kind
    │   └── UnknownNameError  ... no installed model has the name that was given
    ├── MissingExtraError     an optional dependency that is not installed
    ├── GeometryError         a mask or contour from which nothing can be measured
    └── QualityRefusal        the file is sound, its content should not be measured

A message is one sentence (or two) that names the file, what was found, what was expected and the remedy.
It is shown to the user as it stands, so it never holds what DICOM says of a person.
"""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

MOST_LETTERS = 1400
"""Longest message: a file may hold a name of a megabyte."""


class LvefError(Exception):
    """Base of everything this package raises on purpose.

    A message may quote a file: what would move a terminal's cursor or break a log line is shown as an escape sequence.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(plain_line(message))


class DataError(LvefError):
    """A file, folder or table cannot be used as it is."""


class VideoError(DataError):
    """A video or image cannot be decoded or is not what was expected."""


class DicomError(DataError):
    """A DICOM object cannot be decoded or is not what was expected."""


class OutputError(DataError):
    """An output cannot be written (a full disk, no rights): it ends a run, because no other item can be written either."""


class ConfigError(LvefError):
    """A setting, recipe or card holds an unknown key or an impossible value."""


class WeightsError(LvefError):
    """A model is missing, damaged or does not fit its card."""


class UnknownNameError(WeightsError):
    """No installed model has the name that was given."""


class MissingExtraError(LvefError):
    """An optional dependency is not installed."""

    def __init__(self, purpose: str, extra: str) -> None:
        super().__init__(f'{purpose} needs packages that are not installed: run pip install "lvef[{extra}]".')
        self._given = purpose, extra

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        """Between processes."""
        return type(self), self._given


class GeometryError(LvefError):
    """A mask or contour holds no ventricle that could be measured."""


class QualityRefusal(LvefError):
    """The file is readable, but its content should not be measured.

    Attributes:
        code: Short machine-readable reason, for example ``no_fan``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type[QualityRefusal], tuple[str, str]]:
        """Between processes."""
        return type(self), (self.code, str(self))


class RemoteError(Exception):
    """An unexpected error in another process; its text is the `error_location` of the first."""


def plain_line(text: str) -> str:
    r"""One line of printable letters, cut in its middle where it is very long.

    >>> plain_line("has\n\x1b[31m no end")
    'has\\n\\x1b[31m no end'
    """
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    return cut_middle(text, MOST_LETTERS, 395)


def cut_middle(text: str, most: int, last: int, mark: str = " ... ") -> str:
    """A text of so many letters at most, a mark in place of its middle where it is longer.

    Args:
        text: Any.
        most: Letters that are left, those of the mark included.
        last: How many of them are the end of the text, 1 or more.
        mark: What stands for the middle.

    >>> cut_middle("a very long name.avi", 12, 5), cut_middle("short.avi", 12, 5)
    ('a  ... e.avi', 'short.avi')
    """
    return text if len(text) <= most else f"{text[: most - last - len(mark)]}{mark}{text[-last:]}"


LOST = {errno.EIO, errno.ENODEV, errno.ENXIO, getattr(errno, "ESTALE", errno.EIO)}
"""Errors of reading and writing, which name no file, from a disk or share that is gone."""


def os_reason(error: Exception) -> str:
    """What the system says of an `OSError`, or FFmpeg of its own, in small letters, for the middle of a sentence."""
    return str(getattr(error, "strerror", None) or type(error).__name__).lower()


def first_line(error: Exception) -> str:
    r"""The first line of what another library says of its error, cut where it is long; its kind where it says nothing.

    >>> first_line(ValueError("no\nend")), first_line(ValueError())
    ('no', 'ValueError')
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]


def file_error_message(error: BaseException) -> str:
    """What the system says of a file that it lost or refuses, and the remedy; empty where it is another error."""
    if not isinstance(error, OSError) or not (error.filename or error.errno in LOST):
        return ""
    return (
        f"{error.filename or 'a file'}: cannot be used ({os_reason(error)}). Check the disk or the network share, then give "
        "the same command again."
    )


def was_interrupted(error: BaseException) -> bool:
    """Whether a stop caused it: libraries turn the exception of Ctrl-C and of stop signals into others."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, KeyboardInterrupt):
            return True
        # Causes may form a circle.
        if one is not None and not any(one is other for other in seen):
            seen.append(one)
            waiting += [one.__cause__, one.__context__]
    return False


def error_location(error: BaseException) -> str:
    """Kind and location of an unexpected error: ``KeyError in report.py, line 12``.

    Its message is left out, because it may quote what a file says of a person.
    """
    if isinstance(error, RemoteError):
        return str(error)
    places = traceback.extract_tb(error.__traceback__)
    where = f" in {Path(places[-1].filename).name}, line {places[-1].lineno}" if places else ""
    return type(error).__name__ + where


@contextmanager
def reading(path: object, remedy: str, kind: type[LvefError] = DataError) -> Iterator[None]:
    """Raise what the system says of a file that is read in the block, or that it is no text, as an error of ours.

    Args:
        path: The file.
        remedy: End of the sentence: what was expected, or what to do.
        kind: Class of the error.
    """
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:
        reason = os_reason(error) if isinstance(error, OSError) else "it is not UTF-8"
        raise kind(f"{path}: cannot be read ({reason}); {remedy}.") from None


@contextmanager
def explained(kind: type[LvefError], before: str, after: str) -> Iterator[None]:
    """Raise an error of ours where the system refuses something in the block: what could not be done, why, the remedy.

    Args:
        kind: Class of the error.
        before: Beginning of its message; what the system says follows in brackets.
        after: Its end, with the mark that joins it.
    """
    try:
        yield
    except OSError as error:
        raise kind(f"{before} ({os_reason(error)}){after}") from None


@contextmanager
def panics_become(error: Exception) -> Iterator[None]:
    """Raise an error in place of a panic of a Rust library (polars, calamine) in the block, which is no ``Exception``."""
    try:
        yield
    except BaseException as met:
        if type(met).__name__ != "PanicException":
            raise
        raise error from None


@contextmanager
def errors_only(*names: str) -> Iterator[None]:
    """Let loggers say nothing but errors for the length of the block.

    Args:
        names: Of the loggers.
    """
    # Loaded here: short commands log nothing.
    import logging

    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def run_main(main: Callable[[], None]) -> None:
    """Run the ``main`` of a module started with ``python -m``: an error of ours ends in its sentence and exit code 1."""
    try:
        main()
    except LvefError as error:
        sys.exit(f"lvef: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name; empty where no known name resembles it.

    Example:
        >>> "no model camus-sge" + did_you_mean("camus-sge", ["camus-seg", "small-video"])
        'no model camus-sge; did you mean camus-seg?'
        >>> did_you_mean("xyz", ["camus-seg"])
        ''
    """
    # Loaded here: it takes longer than the rest of a short command.
    from difflib import get_close_matches

    by_lower = {one.lower(): one for one in known}
    near = get_close_matches(name.lower(), by_lower, 1)
    return f"; did you mean {by_lower[near[0]]}?" if near else ""
