"""What an exploration finds, as plain records."""

from __future__ import annotations

from dataclasses import dataclass

from lvef.core.records import FloatArray
from lvef.stats.describe import Description, Fences


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number that a manifest may tell.

    Attributes:
        column: Its column.
        words: Its name for people.
        unit: Its unit; empty for a count.
        of: What one value belongs to: ``measurements``, ``clips``, ``items`` or ``patients``.
    """

    column: str
    words: str
    unit: str
    of: str

    @property
    def title(self) -> str:
        """Name and unit."""
        return f"{self.words} ({self.unit})" if self.unit else self.words


MEASURED = (
    Quantity("ef_percent", "EF", "%", "measurements"),
    Quantity("edv_ml", "EDV", "ml", "measurements"),
    Quantity("esv_ml", "ESV", "ml", "measurements"),
)
"""The report's three (SPEC.md 2): they stand in every table, known or not, and their outliers are listed."""

OF_CLIPS = (
    Quantity("frame_rate_hz", "Frame rate", "frames/s", "clips"),
    Quantity("duration_s", "Duration", "s", "clips"),
    Quantity("n_frames", "Frames", "", "clips"),
)
"""What only a clip has; it is not asked of stills."""

FURTHER = (
    *OF_CLIPS,
    Quantity("height_px", "Height", "px", "items"),
    Quantity("width_px", "Width", "px", "items"),
    Quantity("age_years", "Age", "years", "patients"),
    Quantity("heart_rate_bpm", "Heart rate", "/min", "patients"),
)
"""Described where they are told."""


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One quantity, described.

    Attributes:
        quantity: Which.
        values: ``(n,)`` known values.
        description: Their table; ``missing`` counts those of `Quantity.of` that have none, of measurements the patients.
        fences: Ends of the whisker rule.
        low: Values below the low fence.
        high: Values above the high one.
    """

    quantity: Quantity
    values: FloatArray
    description: Description
    fences: Fences
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Outlier:
    """A measurement outside the whiskers.

    Attributes:
        item: First item that carries it.
        quantity: Column of the value.
        value: The value.
        fence: The fence it lies beyond.
        side: ``low`` or ``high``.
        patient: Its patient.
        n_items: Items of that patient that carry the same measurement.
    """

    item: str
    quantity: str
    value: float
    fence: float
    side: str
    patient: str
    n_items: int


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """EF of the measurements that share a label. A patient with items under several labels is in each once.

    Attributes:
        by: Column of the label.
        label: The label, or ``not told``.
        values: ``(n,)`` EF in percent.
        description: Their table.
    """

    by: str
    label: str
    values: FloatArray
    description: Description


@dataclass(frozen=True, slots=True)
class Count:
    """How many items and patients share a label."""

    by: str
    label: str
    items: int
    patients: int


@dataclass(frozen=True, slots=True)
class Cell:
    """How many items and patients there are of one view, kind and split."""

    view: str
    kind: str
    split: str
    items: int
    patients: int


@dataclass(frozen=True, slots=True)
class Share:
    """A class of EF (`lvef.geometry.categories`): how many measurements fall into it."""

    table: str
    label: str
    n: int


@dataclass(frozen=True, slots=True)
class Size:
    """Pictures of one size."""

    width_px: int
    height_px: int
    items: int


@dataclass(frozen=True, slots=True, eq=False)
class Exploration:
    """Everything that was found in a manifest but pictures.

    Attributes:
        name: The manifest's file name.
        collections: Short names of the collections in it.
        n_items: Rows.
        n_patients: Patients.
        n_measurements: Measurements: what a patient's items say of EF, EDV and ESV, each distinct answer once.
        columns: `MEASURED`, then those of `FURTHER` that are told.
        edv_esv: ``(n, 2)`` EDV and ESV in ml of the measurements that have both.
        outliers: Of `MEASURED`, by quantity, then side, then the most extreme first.
        groups: EF by label, for labels that part the measurements.
        shares: Classes of EF.
        counts: Items and patients by label.
        cells: Items and patients by view, kind and split.
        sizes: Picture sizes, the most frequent first.
        notes: What a reader must know, in sentences.
    """

    name: str
    collections: tuple[str, ...]
    n_items: int
    n_patients: int
    n_measurements: int
    columns: tuple[Column, ...]
    edv_esv: FloatArray
    outliers: tuple[Outlier, ...]
    groups: tuple[Group, ...]
    shares: tuple[Share, ...]
    counts: tuple[Count, ...]
    cells: tuple[Cell, ...]
    sizes: tuple[Size, ...]
    notes: tuple[str, ...]

    def column(self, name: str) -> Column | None:
        """The column of that name, if any of its values is known."""
        return next((c for c in self.columns if c.quantity.column == name and c.description.n), None)
