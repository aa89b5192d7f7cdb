"""Two-stream samples from a store: what a training loop reads."""

from __future__ import annotations

import os

from lvef.core.errors import DataError
from lvef.stores.recipes import TwoStreamRecipe
from lvef.transforms.store import ClipStore
from lvef.transforms.two_stream import TwoStreams, two_streams


class TwoStreamStore(ClipStore):
    """A store that ``lvef data prepare two-stream`` made.

    The frames are kept as bytes, an eighth of both streams as float32; the streams are computed as they are read, exactly.

    Args:
        folder: The store.

    Raises:
        DataError: It is no finished store of two-stream samples.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        super().__init__(folder)
        kind = self.info["settings"].get("kind")
        if kind != TwoStreamRecipe.kind:
            raise DataError(
                f"{self.folder}: is a store of {kind}; prepare one with lvef data prepare two-stream."
            )

    def streams(self, item: str | int) -> TwoStreams:
        """Both streams of a sample, each ``(28, 112, 112)`` float32 with the defaults.

        Args:
            item: Its name, or its number in `items`.
        """
        return two_streams(self.frames(item))
