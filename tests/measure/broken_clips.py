"""Clips that are no single recording, made of a good one: cuts, freezes, loops, titles, damage. Frames are ``(n, h, w)``."""

from __future__ import annotations

import cv2
import numpy as np


def resized(frames, like):
    """Frames at the size of others."""
    height, width = like.shape[1:]
    return np.stack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in frames])


def joined(frames, others, at=None):
    """The first frames, then those of another clip."""
    at = len(frames) // 2 if at is None else at
    return np.concatenate([frames[:at], resized(others, frames)])


def other_depth(frames, scale=0.8):
    """The same recording at another depth setting."""
    matrix = cv2.getRotationMatrix2D((frames.shape[2] / 2, 0), 0, scale)
    return np.stack([cv2.warpAffine(frame, matrix, frame.shape[::-1]) for frame in frames])


def frozen(frames, first, length):
    """Frame ``first`` shown so many times, then the frames that follow."""
    return np.concatenate(
        [frames[:first], np.repeat(frames[first : first + 1], length, axis=0), frames[first + 1 :]]
    )


def noisy(frames, sd, seed=0):
    """As a copy that was coded again: a little noise."""
    noise = np.random.default_rng(seed).normal(0, sd, frames.shape)
    return np.clip(np.round(frames + noise), 0, 255).astype(np.uint8)


def title(frames, n):
    """A report page: bright, with lines of text, standing still."""
    page = np.full(frames.shape[1:], 200, np.uint8)
    for y in range(10, page.shape[0] - 5, 12):
        cv2.putText(page, "DOE JOHN 123", (4, y), cv2.FONT_HERSHEY_SIMPLEX, 0.35, 20, 1)
    return np.repeat(page[None], n, axis=0)


def bars(frames, n):
    """Colour bars in grey."""
    width = frames.shape[2]
    row = (np.arange(width) * 8 // width * 32 + 16).astype(np.uint8)
    return np.broadcast_to(row, (n, *frames.shape[1:])).copy()


def black(frames, n):
    """Frames without an image."""
    return np.zeros((n, *frames.shape[1:]), np.uint8)


def fade(frames, n):
    """The first ``n`` frames come up out of black."""
    gain = np.ones(len(frames))
    gain[:n] = np.linspace(0, 1, n, endpoint=False)
    return np.round(frames * gain[:, None, None]).astype(np.uint8)


def damaged(frames, at, kind="noise"):
    """One frame that is not the recording's."""
    frames, (height, width) = frames.copy(), frames.shape[1:]
    if kind == "noise":
        frames[at] = np.random.default_rng(1).integers(0, 255, (height, width))
    elif kind == "half grey":
        frames[at, height // 2 :] = 128
    elif kind == "shifted":
        frames[at] = np.roll(frames[at], width // 2, axis=1)
    else:
        frames[at] = 0
    return frames


def flicker(frames, seed=0, percent=8):
    """Gain that changes from frame to frame."""
    gain = 1 + np.random.default_rng(seed).normal(0, percent / 100, len(frames))
    return np.clip(np.round(frames * gain[:, None, None]), 0, 255).astype(np.uint8)


def moving_probe(frames, pixels=6):
    """The image wanders by so many pixels and back, as with the breath."""
    shift = pixels * np.sin(np.linspace(0, 2 * np.pi, len(frames)))
    return np.stack(
        [
            cv2.warpAffine(frame, np.array([[1, 0, dx], [0, 1, dx / 2]]), frame.shape[::-1])
            for frame, dx in zip(frames, shift.tolist(), strict=True)
        ]
    )


def pulled_down(frames):
    """Each frame in turn two and three times."""
    return np.repeat(frames, np.arange(len(frames)) % 2 + 2, axis=0)
