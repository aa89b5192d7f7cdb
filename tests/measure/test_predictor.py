"""What the network is shown: each frame both ways, or frames in turn."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.data import get_testdata_file

from lvef.core.records import Box, Clip
from lvef.io.open import open_clip
from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import IN_TURN_HZ, Measurer
from lvef.measure.predictor import FrameContext
from lvef.measure.predictors import CHUNK, SegmentationPredictor
from lvef.transforms.frames import BLACK, brightness_gamma, fit, place
from lvef.transforms.sector import Sector, find_sector

CINE = Path(str(get_testdata_file("examples_ybr_color.dcm", download=False)))


@pytest.fixture(scope="module")
def predictor():
    return SegmentationPredictor(MeasureOptions(precision="f32"))


@pytest.fixture(scope="module")
def frames():
    """A square part of the cine, so that a mirror image falls onto the same pixels of the network."""
    clip = open_clip(CINE)
    box = find_sector(clip).box
    side = min(box.width, box.height)
    return np.ascontiguousarray(clip.frames[: CHUNK + 3, box.y0 : box.y0 + side, box.x0 : box.x0 + side])


def answers(predictor, frames, **how):
    box = Box(0, 0, frames.shape[2], frames.shape[1])
    return np.stack([p for p, _ in predictor.probabilities(frames, box, None, FrameContext(**how))])


def test_a_mirrored_image_has_the_mirrored_answer(predictor, frames):
    assert frames.shape[1] == frames.shape[2]
    plain = answers(predictor, frames)
    mirrored = answers(predictor, np.ascontiguousarray(frames[..., ::-1]))
    assert np.abs(plain - mirrored[..., ::-1]).max() < 1e-5
    assert np.allclose(plain.sum(1), 1, atol=1e-4)


def test_in_turn_the_two_ways_alternate_over_chunks(predictor, frames):
    both = answers(predictor, frames)
    turns = answers(predictor, frames, alternate_mirror=True)
    other = answers(predictor, np.ascontiguousarray(frames[..., ::-1]), alternate_mirror=True)[..., ::-1]
    assert len(turns) == len(frames) == CHUNK + 3
    # Where one run shows a frame as it is, the other shows it mirrored: their mean is the answer to both ways.
    assert np.abs((turns + other) / 2 - both).max() < 1e-5
    assert np.abs(turns - other).max() > 1e-3, "the network is not symmetrical by itself"


class _Channels:
    """A session that answers with the mean grey of each channel, so that a test sees what was shown where."""

    def __init__(self):
        self.shown = []

    def start(self, batch):
        self.shown.append(batch.mean(axis=(2, 3)))
        return lambda: np.zeros((len(batch), 4, *batch.shape[2:]), np.float32)


@pytest.mark.parametrize(
    ("offsets", "expected"), [((0.0,), [1]), ((-0.2, 0.0, 0.2), [2, 1, 2]), ((-0.2, -0.1, 0.0), [2, 1, 1])]
)
def test_a_still_is_seen_with_its_other_phase_farthest_away(predictor, offsets, expected):
    drawn = copy(predictor)
    spec = replace(predictor.entry.card.input, offsets_s=offsets, mean=0.0, std=1 / 255, mirror=False)
    drawn.entry = replace(predictor.entry, card=replace(predictor.entry.card, input=spec))
    drawn._session = _Channels()
    ed, es = (Clip(np.full((1, 64, 64), grey, np.uint8), np.zeros(1), "still", "still") for grey in (1, 2))
    box = Box(0, 0, 64, 64)
    fan = Sector(box, np.ones((64, 64), bool))
    assert (drawn.square(es, fan) is None) == (len(offsets) == 1)
    list(drawn.probabilities(ed.frames, box, None, FrameContext(other=drawn.square(es, fan))))
    list(drawn.probabilities(ed.frames, box, None))
    assert drawn._session.shown[0].round(3).tolist() == [expected]
    assert drawn._session.shown[1].round(3).tolist() == [[1] * len(offsets)], "alone it fills every channel"


@pytest.mark.parametrize("exponent", [0.6, 0.8, 1.0])
def test_a_clip_is_shown_in_the_brightness_of_the_card_whichever_of_its_frames_are_labelled(
    predictor, frames, exponent
):
    drawn = copy(predictor)
    spec = replace(predictor.entry.card.input, offsets_s=(0.0,), mean=0.0, std=1.0, mirror=False)
    drawn._session = _Channels()

    def shown(brightness, **how):
        card = replace(predictor.entry.card, input=replace(spec, brightness=brightness))
        drawn.entry, drawn._session.shown = replace(predictor.entry, card=card), []
        answers(drawn, frames, **how)
        return np.concatenate(drawn._session.shown).ravel()

    frames = np.where(frames > 2 * BLACK, np.round(255 * (frames / 255) ** exponent), 0).astype(np.uint8)
    whole = shown(0.44)
    squares = fit(frames, place(Box(0, 0, *frames.shape[:0:-1]), spec.size), spec.size)
    means = ((squares / 255) ** brightness_gamma(squares, 0.44)).mean((1, 2))
    assert whole == pytest.approx(means, abs=0.005)
    assert shown(0.44, only=(3, 9)) == pytest.approx(whole[[3, 9]], abs=1e-6)
    assert np.abs(shown(0.0) - frames.mean((1, 2)) / 255).max() < 0.01, "0 leaves the frames as they are"


def test_a_fast_cine_has_the_same_ef_in_turn(monkeypatch):
    measurer = Measurer(MeasureOptions(precision="f32", frame_rate_hz=50))
    asked = []
    trace = measurer.predictor.trace

    def spy(frames, box, spacing, context, **more):
        asked.append(context.alternate_mirror)
        context = replace(context, alternate_mirror=context.alternate_mirror and len(asked) == 1)
        return trace(frames, box, spacing, context, **more)

    monkeypatch.setattr(measurer.predictor, "trace", spy)
    clip = replace(open_clip(CINE), times_s=np.arange(30) / 50)
    alternate_mirror, both = (measurer.measure_clip(clip).ef_percent for _ in range(2))
    assert asked == [True, True]
    assert alternate_mirror == pytest.approx(both, abs=1.5)
    slow = replace(clip, times_s=np.arange(30) / (IN_TURN_HZ - 1))
    measurer.measure_clip(slow)
    assert asked[-1] is False
