"""The result of one case, the models that were used, and both as JSON."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from lvef.core.errors import ConfigError
from lvef.core.serialization import printable
from lvef.core.terms import Status
from lvef.evaluation.metrics import NAN
from lvef.inference.card import Card
from lvef.measure.predictor import Predictor

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What came of one case; each evaluation adds its own fields.

    Attributes:
        item: Name of the case.
        status: How the measurement ended, one of `lvef.core.terms.Status`.
        reason_code: Why there is no EF, in a word.
        reason: The same in a sentence.
        ef_percent: The predicted EF; NaN without one.
    """

    item: str
    status: str
    reason_code: str = ""
    reason: str = ""
    ef_percent: float = NAN

    @property
    def has_ef(self) -> bool:
        """Whether there is an EF."""
        return math.isfinite(self.ef_percent)

    @property
    def is_failed(self) -> bool:
        """Whether the case could not be evaluated, for example because its file could not be read."""
        return self.status == Status.FAILED


def exit_code_of(results: Iterable[CaseResult]) -> int:
    """0 all done, 1 something failed, 3 only refusals."""
    listed = list(results)
    if any(result.is_failed for result in listed):
        return 1
    return 0 if any(result.has_ef for result in listed) else 3


@dataclass(frozen=True, slots=True)
class UsedWeights:
    """A model file that was evaluated, as its card and its runtime describe it; ``patients`` it was evaluated on."""

    name: str
    version: str
    sha256: str
    licence: str
    backend: str
    precision: str
    device: str
    patients: int


def used_weights(predictor: Predictor, patients: int) -> UsedWeights:
    """Card and runtime of a loaded model."""
    card, engine = predictor.entry.card, predictor.engine
    return UsedWeights(
        card.name,
        card.version,
        card.model_sha256,
        card.licence,
        engine.backend,
        engine.precision,
        engine.device,
        patients,
    )


def patients_digest(patients: Iterable[str]) -> str:
    """SHA-256 of the sorted names, one a line: as a card names the patients of its training."""
    return hashlib.sha256("\n".join(sorted(patients)).encode()).hexdigest()


def to_plain(value: Any, *, digits: int = 0) -> Any:  # noqa: ANN401
    """A value as JSON holds it: dataclasses as mappings, null for what is not a number, no control characters.

    Args:
        value: Anything of dataclasses, mappings, sequences, strings and numbers.
        digits: Significant digits that numbers are cut to; 0 keeps all.
    """
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {printable(str(key)): to_plain(inner, digits=digits) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(inner, digits=digits) for inner in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return float(f"{value:.{digits}g}") if digits else value
    return printable(value) if isinstance(value, str) else value


def from_plain(kind: type[T], values: Mapping[str, Any]) -> T:
    """The dataclass that `to_plain` wrote; fields that are not there keep their defaults.

    Raises:
        TypeError: The values are of another layout.
        AttributeError: The same.
    """
    hints = get_type_hints(kind)
    return kind(**{key: _from_plain(hints.get(key), value) for key, value in values.items()})


def _from_plain(kind: Any, value: Any) -> Any:  # noqa: ANN401
    if kind is float:
        return NAN if value is None else float(value)
    if isinstance(kind, type) and is_dataclass(kind):
        return from_plain(kind, value)
    if get_origin(kind) is tuple:
        [inner, *_] = get_args(kind)
        return tuple(_from_plain(inner, each) for each in value)
    return value


def check_distinct(names: Sequence[str], cards: Sequence[Card]) -> None:
    """Refuse a model that is given twice.

    Raises:
        ConfigError: Two have the same hash.
    """
    hashes = [card.model_sha256 for card in cards]
    for digest, n in Counter(hashes).items():
        if n > 1:
            same = [name for name, own in zip(names, hashes, strict=True) if own == digest]
            raise ConfigError(f"{' and '.join(same)} are the same model; give each model once.")


def first_distinct(*candidates: Sequence[str]) -> list[str]:
    """The first list of labels without duplicates, else the last list."""
    for labels in candidates:
        if len(set(labels)) == len(labels):
            break
    return list(labels)
