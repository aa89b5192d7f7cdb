"""Settings of networks that read a grey image as three channels, each with its own mean and spread."""

from __future__ import annotations

from dataclasses import dataclass

from lvef.core.errors import ConfigError

ECHONET_MEAN, ECHONET_STD = (32.49, 32.63, 32.93), (49.87, 49.88, 50.13)
"""Mean and spread of each channel over EchoNet-Dynamic's training frames, grey from 0 to 255, to two decimals (FACTS). The
checkpoint does not carry them: its authors' code measures them anew on the training videos each time."""


@dataclass(frozen=True)
class ChannelScaling:
    """Scaling of the grey values; the layers are fixed."""

    mean: tuple[float, ...] = ECHONET_MEAN
    """Subtracted from each channel, grey from 0 to 255."""
    std: tuple[float, ...] = ECHONET_STD
    """Divides after that."""

    def __post_init__(self) -> None:
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ConfigError(
                f"mean {list(self.mean)} and std {list(self.std)} found; three of each, and spreads above 0, were expected."
            )
