"""What a network expects at its input, as its card writes it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class InputSpec:
    """Input of a network that reads single grey frames, ``(batch, 1, size, size)`` float32."""

    size: int = 128
    """Side of the square in pixels."""
    crop: str = "fan"
    """Part of the picture that is shown: the bounding box of the ultrasound fan."""
    pad: str = "black"
    """What fills the square where the crop is not square."""
    mean: float = 0.20
    """Subtracted from grey / 255."""
    std: float = 0.21
    """Divides after the mean is subtracted."""
