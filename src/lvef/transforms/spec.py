"""What a network expects at its input, as its model card states it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lvef.core.errors import ConfigError

if TYPE_CHECKING:
    from lvef.transforms.sampling import Sampling

CROPS = ("fan", "whole")
"""Parts of the image a network may receive: the bounding box of the ultrasound sector, or all of it."""


@dataclass(frozen=True)
class InputSpec:
    """Input of a model that labels one grey frame, ``(batch, len(offsets_s), size, size)`` float32."""

    size: int = 128
    """Side of the square in pixels."""
    crop: str = "fan"
    """Part of the image that is shown: ``fan``, the bounding box of the ultrasound sector, or ``whole``."""
    pad: str = "black"
    """What fills the square where the crop is not square."""
    mean: float = 0.20
    """Subtracted from grey / 255."""
    std: float = 0.21
    """Divides after the mean is subtracted."""
    mirror: bool = True
    """Whether the network was trained on mirrored images too, so that predictions of both orientations may be averaged."""
    offsets_s: tuple[float, ...] = (0.0,)
    """Instants of the frames that are shown, one channel each, in seconds from the frame that is labelled. A frame before
    the clip's start or after its end is replaced by the first or last one; a still is shown in every channel."""
    brightness: float = 0.0
    """Grey / 255 above which half of the light of a clip lies once a gamma has brought it there, before mean and std
    (`lvef.transforms.frames.brightness_gamma`); 0 leaves the frames as they are. Scanners and their settings differ more in
    brightness than in anything else."""

    def __post_init__(self) -> None:
        _check_square(self.size, self.crop, self.std)
        if self.brightness and not 0.1 <= self.brightness <= 0.8:
            raise ConfigError(
                f"brightness {self.brightness:g} cannot be an input; 0 or a value from 0.1 to 0.8 is needed."
            )
        if 0.0 not in self.offsets_s or not all(-2 <= s <= 2 for s in self.offsets_s):
            raise ConfigError(
                f"frames at {', '.join(f'{s:g}' for s in self.offsets_s)} s cannot be an input; offsets within 2 s, 0 among "
                "them, are needed."
            )


@dataclass(frozen=True)
class ClipSpec:
    """Input of a network that reads clips: a number of frames over a number of seconds of the clip's own clock.

    ``ef-clip`` networks are shown ``(batch, 1, n_frames, size, size)`` float32, ``(grey / 255 - mean) / std``;
    ``ef-two-stream`` networks the two streams of `lvef.transforms.two_stream`, each with one frame fewer than are read.
    """

    n_frames: int
    """Frames that are read."""
    duration_s: float
    """Seconds from the first of them to the last."""
    size: int = 112
    """Side of the square in pixels."""
    crop: str = "fan"
    """Part of the image that is shown: ``fan`` (all outside of it black) or ``whole``."""
    mean: float = 0.0
    """Subtracted from grey / 255."""
    std: float = 1.0
    """Divides after the mean is subtracted."""
    clips: int = 5
    """Number of evenly spaced windows of a clip whose EFs are averaged."""

    def __post_init__(self) -> None:
        _check_square(self.size, self.crop, self.std)
        if self.n_frames < 2 or not 0 < self.duration_s < float("inf") or self.clips < 1:
            raise ConfigError(
                f"a clip of {self.n_frames} frames over {self.duration_s:g} s, {self.clips} of them, is no valid input; at "
                "least 2 frames over more than 0 s, and at least 1 clip, are needed."
            )

    @property
    def sampling(self) -> Sampling:
        """Number of frames and seconds of a window."""
        # Imported here, so that a model card is read without numpy.
        from lvef.transforms.sampling import Sampling

        return Sampling(self.n_frames, self.duration_s)

    @property
    def square(self) -> InputSpec:
        """Input of single frames: the ``input`` section of a clip network's card."""
        return InputSpec(size=self.size, crop=self.crop, mean=self.mean, std=self.std)


def _check_square(size: int, crop: str, std: float) -> None:
    if size < 1 or crop not in CROPS or not 0 < std < float("inf"):
        raise ConfigError(
            f"a square of {size} pixels, crop {crop!r}, std {std:g} is no valid input; a size from 1, the crop "
            f"{' or '.join(CROPS)}, and a std above 0 are needed."
        )
