"""On real stills: the ends are met, the truth is true, nothing folds."""

import numpy as np
import pytest

from lvef.core.terms import Phase, Structure
from lvef.datasets.camus import read_split, read_stills
from lvef.geometry.contour import mask_of_contour
from lvef.geometry.simpson import volume_of_tracing
from lvef.geometry.tracing import trace_labels
from lvef.synthesis.animated_stills.animate import AnimationOptions, animate_stills
from lvef.synthesis.animated_stills.appearance import Effects
from lvef.synthesis.animated_stills.matching import StillPair
from lvef.synthesis.animated_stills.motion import fit_contraction
from lvef.synthesis.volume_curves import RhythmKind

pytestmark = pytest.mark.realdata

N_PATIENTS = 5


@pytest.fixture(scope="module")
def hearts(camus_root):
    stills = {}
    for still in read_stills(camus_root, read_split(camus_root, "validation")[:N_PATIENTS]):
        stills.setdefault((still.patient, still.view), {})[still.phase] = still
    made = []
    for (patient, view), both in stills.items():
        ed, es = both[Phase.ED], both[Phase.ES]
        made.append(
            fit_contraction(StillPair(ed.image, es.image, ed.mask, es.mask, ed.spacing, view, patient))
        )
    assert len(made) == 2 * N_PATIENTS
    return made


def test_ed_and_es_frames_are_the_stills(hearts):
    options = AnimationOptions(
        own_ef=True,
        rhythm=RhythmKind.SINUS,
        heart_rate_bpm=60,
        frame_rate_hz=50,
        n_frames=110,
        size=None,
        effects=Effects(),
    )
    for heart in hearts:
        made = animate_stills(heart, options, np.random.default_rng(2), name=heart.pair.patient)
        beat = made.beats[0]
        for frame, still in ((beat.ed_frame, heart.pair.ed), (beat.es_frame, heart.pair.es)):
            assert np.abs(made.clip.frames[frame].astype(int) - still).max() <= 1


def test_ends_have_the_masks_volumes_and_areas_stay_positive(hearts):
    for heart in hearts:
        for level, labels in ((0.0, heart.pair.ed_labels), (1.0, heart.pair.es_labels)):
            expected = volume_of_tracing(trace_labels(labels, aspect=heart.pair.aspect), heart.pair.spacing)
            assert heart.volume(level) == pytest.approx(expected, rel=0.01)
        between = np.abs(heart.flow.times) <= 1 + 1e-9
        assert heart.flow.areas[between, 0].min() > 0.02


@pytest.mark.parametrize("ef", [10.0, 45.0, 75.0])
def test_asked_ef_is_drawn_or_said(hearts, ef):
    for i, heart in enumerate(hearts):
        options = AnimationOptions(
            ef_percent=ef, rhythm=RhythmKind.SINUS, heart_rate_bpm=70, frame_rate_hz=50
        )
        made = animate_stills(heart, options, np.random.default_rng(i), name=heart.pair.patient)
        reached = made.parameters["ef_percent"]
        assert reached == pytest.approx(ef, abs=0.2) or any("nearest" in n for n in made.parameters["notes"])
        assert made.representative.plane_ef_percent == pytest.approx(reached, abs=0.5)
        for labels, tracing in zip(made.labels[::7], made.tracings[::7], strict=True):
            inside = mask_of_contour(tracing.contour, labels.shape) > 0
            lv = labels == Structure.LV
            assert 2 * (inside & lv).sum() / (inside.sum() + lv.sum()) > 0.97
