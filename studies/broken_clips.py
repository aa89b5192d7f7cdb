"""What is said of clips that are one recording, and of the same clips looped, played backward, frozen or out of order.

Run it as ``python -m studies.broken_clips FOLDER ...``: folders of cines, phantoms or animated stills.
``--equal-beats N`` adds phantoms whose beats are equal, half of them to the frame, at 20 to 60 frames a second.
"""

from __future__ import annotations

import argparse
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np

from lvef.core.errors import LvefError, QualityRefusal
from lvef.core.records import Clip, FrameArray
from lvef.io.open import open_clip
from lvef.measure.continuity import good_part
from lvef.synthesis.phantom.draw import PhantomOptions, draw_phantom
from lvef.synthesis.phantom.render import render_phantom
from lvef.synthesis.volume_curves import RhythmKind

SLOWEST_HZ, FEWEST, LONGEST = 9.5, 12, 240
"""Clips are also looked at with every second to fourth frame, down to this rate and so many frames; of long clips at most
so many frames."""


def h264(frames: FrameArray, rate_hz: float, factor: int) -> FrameArray:
    """The frames as they come back from H.264 of a constant rate factor."""
    frames = frames[:, : frames.shape[1] // 2 * 2, : frames.shape[2] // 2 * 2]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as file:
        stream = file.add_stream(
            "libx264", round(rate_hz), options={"crf": str(factor), "preset": "veryfast"}
        )
        stream.height, stream.width = frames.shape[1:]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="gray")))
        file.mux(stream.encode())
    buffer.seek(0)
    with av.open(buffer, "r") as coded:
        images = [image.to_ndarray(format="gray").astype(np.uint8) for image in coded.decode(video=0)]
    return np.stack(images)


def halves(frames: FrameArray, rate_hz: float, *, back: bool, factor: int) -> FrameArray:
    """The first half of a clip twice, the second time backward or not, in H.264."""
    first = frames[: len(frames) // 2]
    return h264(np.concatenate([first, first[::-1] if back else first]), rate_hz, factor)


def frozen(frames: FrameArray, rate_hz: float, sd: float, rng: np.random.Generator) -> FrameArray:
    """The clip with a second in its middle in which it stands still, and noise over all of it."""
    half = len(frames) // 2
    made = np.concatenate(
        [frames[:half], np.repeat(frames[half : half + 1], round(rate_hz), axis=0), frames[half:]]
    )
    return np.clip(np.round(made + rng.normal(0, sd, made.shape)), 0, 255).astype(np.uint8)


def broken(frames: FrameArray, rate_hz: float, rng: np.random.Generator) -> Iterator[tuple[str, FrameArray]]:
    """Broken clips made of a good one, with a name."""
    n = len(frames)
    for factor in (23, 26, 28):
        for back in (False, True):
            name = f"{'backward' if back else 'loop'}, H.264 at {factor}"
            yield name, halves(frames, rate_hz, back=back, factor=factor)
    for sd in (1, 2, 5):
        yield f"freeze of 1 s, noise of {sd}", frozen(frames, rate_hz, sd, rng)
    yield "pairs swapped", frames[: n // 2 * 2][np.arange(n // 2 * 2) ^ 1]
    yield "moved by 2 frames", frames[np.argsort(np.arange(n) + rng.normal(0, 2, n))]
    yield "in the order of names", frames[sorted(range(n), key=str)]
    yield "shuffled", frames[rng.permutation(n)]


def codes(frames: FrameArray, rate_hz: float) -> set[str]:
    """Codes of what is said of a clip."""
    clip = Clip(np.ascontiguousarray(frames), np.arange(len(frames)) / rate_hz, "container", "clip")
    try:
        return {notice.code for notice in good_part(clip).notices}
    except QualityRefusal as refusal:
        return {f"refused: {refusal.code}"}


def equal_beats(n: int) -> Iterator[tuple[FrameArray, float]]:
    """Phantoms of equal beats, and their frame rates."""
    for i in range(n):
        rng = np.random.default_rng([77, i])
        rate = (20.0, 25.0, 30.0, 40.0, 50.0, 60.0)[i % 6]
        cycle = round(rate * (0.6, 0.7, 0.8, 0.9, 1.0)[i % 5]) + (
            0.0 if i % 2 else float(rng.uniform(-0.5, 0.5))
        )
        options = PhantomOptions(
            rhythm=RhythmKind.SINUS,
            heart_rate_bpm=60 * rate / cycle,
            frame_rate_hz=rate,
            n_frames=round(3.2 * cycle),
        )
        case = draw_phantom(rng, options)
        rhythm = case.acquisition.rhythm
        rhythm = replace(rhythm, cycles_s=np.full_like(rhythm.cycles_s, cycle / rate))
        case = replace(case, acquisition=replace(case.acquisition, rhythm=rhythm))
        yield render_phantom(case, rng).clip.frames, rate


def clips(folders: list[Path]) -> Iterator[tuple[FrameArray, float]]:
    """Frames and frame rates of all clips in folders."""
    for file in sorted(file for folder in folders for file in folder.rglob("*") if file.is_file()):
        try:
            clip = open_clip(file)
        except LvefError:
            continue
        if len(clip.frames) >= FEWEST:
            yield clip.frames[:LONGEST], 1 / float(np.median(np.diff(clip.times_s)))


def _print(name: str, n: int, found: Counter[str]) -> None:
    print(f"{name}: {n} clips; " + (", ".join(f"{code} {k}" for code, k in found.most_common()) or "nothing"))  # noqa: T201


def main(arguments: list[str] | None = None) -> None:
    """Print how often each thing is said."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path, help="folders of clips")
    parser.add_argument("--equal-beats", type=int, default=0, metavar="N", help="phantoms of equal beats")
    args = parser.parse_args(arguments)
    found: dict[str, Counter[str]] = {}
    n: Counter[str] = Counter()

    def look(name: str, frames: FrameArray, rate_hz: float) -> None:
        n[name] += 1
        found.setdefault(name, Counter()).update(codes(frames, rate_hz))

    for frames, rate in clips(args.folders):
        rng = np.random.default_rng(len(frames))
        for step in range(1, 5):
            if rate / step >= SLOWEST_HZ and len(frames) // step >= FEWEST:
                look("as it is" if step == 1 else "some of its frames", frames[::step], rate / step)
        for name, made in broken(frames, rate, rng):
            look(name, made, rate)
    for frames, rate in equal_beats(args.equal_beats):
        look("equal beats", frames, rate)
    for name, counted in found.items():
        _print(name, n[name], counted)


if __name__ == "__main__":
    main()
