import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from pydicom.data import get_testdata_file

from lvef.core.errors import WeightsError
from lvef.core.records import Box, Tracing
from lvef.evaluation.runner import used_weights
from lvef.geometry.simpson import axis_length, volume_of_tracing
from lvef.geometry.smoothing import coordinates_of, tracings_of_coordinates
from lvef.geometry.tracing import tracing_of_contour
from lvef.inference.card import read_card
from lvef.inference.catalogue import ModelEntry, find_model
from lvef.io.open import open_clip
from lvef.measure.batch import model_hashes
from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import Measurer
from lvef.measure.shape_prior import (
    N_COORDINATES,
    N_FEATURES,
    SHAPE_NAME,
    border_features,
    read_shape_prior,
    relative,
)
from lvef.measure.verification import verify_model
from lvef.transforms.frames import place
from studies.shape_prior import Cases, fit, write

CINE = Path(str(get_testdata_file("examples_ybr_color.dcm", download=False)))
SQUARE = np.ones(2)


def ventricle(size=1.0, lateral=0.0, turn=0.0, shift=(150.0, 40.0), width=24.0):
    """Half an ellipse whose right wall lies further out by a part of its radius."""
    angle = np.linspace(0, np.pi, 121)
    x, y = -width * np.cos(angle), 90 * (1 - np.sin(angle))
    x = np.where(x > 0, x * (1 + lateral * np.sin(angle) ** 0.5), x)
    contour = np.stack([x, y], axis=1) * size
    c, s = np.cos(turn), np.sin(turn)
    contour = contour @ np.array([[c, s], [-s, c]]) + shift
    return tracing_of_contour(contour, contour[60], contour[[0, -1]])


def case(rng, *, dark):
    """Expert, model and border of a pair; of every fourth half chord on one side nothing is seen where it is ``dark``."""
    size = rng.uniform(0.7, 0.98)
    width = rng.uniform(18, 30)
    pair = coordinates_of([ventricle(width=width), ventricle(size, width=width)], SQUARE)
    expert = np.concatenate([relative(one, pair[0]) for one in pair])
    features = rng.normal(0.5, 0.02, (2 * N_COORDINATES, N_FEATURES))
    error = rng.normal(0, 0.004, len(expert))
    if dark:
        side = rng.integers(2)
        for phase in (0, N_COORDINATES):
            unseen = slice(phase + 6 + side, phase + N_COORDINATES, 2)
            features[unseen] -= 0.3
            error[unseen] += (2 * side - 1) * rng.normal(0.05, 0.03)
    return expert, expert + error, features


@cache
def prior():
    """A prior of half ellipses that contract evenly, fitted as that of a model is."""
    rng = np.random.default_rng(1)
    clear, dark = (
        Cases(*(np.array(part) for part in zip(*(case(rng, dark=d) for _ in range(150)), strict=True)))
        for d in (False, True)
    )
    return fit(clear, dark, dark)


def clear(n=2):
    """Borders as clear as usual in training; one array a frame."""
    return np.full((n, N_COORDINATES, N_FEATURES), 0.5)


def hidden(n=2, side=1):
    """The same, with one side as in a shadow."""
    borders = clear(n)
    borders[:, 6 + side :: 2] = 0.2
    return borders


@pytest.fixture
def entry(tmp_path):
    """A copy of the shipped model with the prior beside it."""
    folder = tmp_path / "camus-seg"
    shutil.copytree(find_model("camus-seg").folder, folder)
    card = read_card(folder)
    write(prior(), folder / SHAPE_NAME, card.model_sha256, "made for tests")
    return ModelEntry("camus-seg", folder, card)


def ef(pair):
    ed, es = (volume_of_tracing(tracing) for tracing in pair)
    return 100 * (1 - es / ed)


def points(tracing):
    return np.concatenate([tracing.apex[None], tracing.mitral, tracing.chords.reshape(-1, 2)])


def test_a_fitted_prior_has_proper_covariances_and_comes_back_from_its_file(entry):
    for matrix in (prior().covariance, prior().noise, prior().correlation):
        assert np.allclose(matrix, matrix.T, atol=1e-6)
        assert np.linalg.eigvalsh(matrix).min() > 0
    read = read_shape_prior(entry)
    assert read.covariance == pytest.approx(prior().covariance, rel=1e-5)
    assert read.share == prior().share
    with np.load(entry.folder / SHAPE_NAME, allow_pickle=False) as file:
        assert str(file["licence"]) == entry.card.licence
        assert "Leclerc" in str(file["citation"])


def test_of_what_the_prior_expects_nothing_is_changed():
    shipped = prior()
    features = np.full((2 * N_COORDINATES, N_FEATURES), 0.5)
    assert shipped.change(shipped.mean, features) == pytest.approx(0, abs=1e-12)
    low = np.full_like(features, 0.2)
    moved = [np.abs(shipped.change(shipped.mean + 0.02, f)).mean() for f in (features, low)]
    assert moved[1] > 1.4 * moved[0], "a border that cannot be seen is believed less"


@pytest.mark.parametrize(
    "side", [0, 1]
)  # of the axis, seen from the apex: 0 is the right one of an upright image
def test_a_hidden_wall_that_does_not_follow_the_others_is_brought_nearer_to_them(side):
    """At ES the wall on one side is drawn as far out as at ED; the other side and the base contract."""
    pair = [ventricle(), ventricle(0.8, lateral=0.35)]
    if side == 1:
        pair = [mirrored(tracing) for tracing in pair]
    seen, shadowed = (prior().correct(pair, borders) for borders in (clear(), hidden(side=side)))
    true = ef([ventricle(), ventricle(0.8)])
    assert ef(pair) < true - 10
    assert abs(ef(shadowed) - true) < abs(ef(pair) - true) - 4
    assert abs(ef(seen) - ef(pair)) < abs(ef(shadowed) - ef(pair)), "what can be seen is believed"


def mirrored(tracing):
    flip = np.array([-1.0, 1.0])
    contour = tracing.contour * flip + [300.0, 0.0]
    return tracing_of_contour(
        contour, tracing.apex * flip + [300.0, 0.0], tracing.mitral * flip + [300.0, 0.0]
    )


def test_the_ef_does_not_depend_on_place_size_direction_or_side():
    pair = [ventricle(), ventricle(0.75, lateral=0.2)]
    usual = ef(prior().correct(pair, clear()))
    moved = [
        ventricle(2.0, turn=1.0, shift=(400.0, 300.0)),
        ventricle(1.5, lateral=0.2, turn=1.0, shift=(400.0, 300.0)),
    ]
    assert ef(prior().correct(moved, clear())) == pytest.approx(usual, abs=0.05)
    assert ef(prior().correct([mirrored(t) for t in pair], clear())) == pytest.approx(usual, abs=0.6)


def test_pixels_that_are_not_square_change_nothing():
    pair = [ventricle(), ventricle(0.75, lateral=0.2)]
    squeezed = [
        Tracing(*(np.asarray(part) * [1.0, 0.5] for part in (t.contour, t.apex, t.base, t.mitral, t.chords)))
        for t in pair
    ]
    usual, found = prior().correct(pair, clear()), prior().correct(squeezed, clear(), aspect=2.0)
    for one, other in zip(usual, found, strict=True):
        assert points(other) * [1.0, 2.0] == pytest.approx(points(one), abs=1e-6)


def test_frames_between_the_phases_move_in_proportion_and_frames_without_a_ventricle_stay_so():
    sizes = [1.0, 1.0, 0.9, 0.8, 0.8, 0.9, 1.0]
    tracings = [ventricle(size, lateral=0.2) for size in sizes]
    tracings.insert(2, None)
    borders = hidden(len(tracings))
    borders[5] = np.nan
    found = prior().correct(tracings, borders)
    assert found[2] is None
    assert found[5] is not None, "a frame whose border was not looked at is corrected as the others"
    volumes = np.array([volume_of_tracing(t) for t in found if t])
    assert volumes[[0, 1]] == pytest.approx(volumes[-1], rel=1e-6)
    assert volumes[3] == pytest.approx(volumes[4], rel=1e-6)
    assert volumes[3] < volumes[2] < volumes[1]


def test_without_a_border_or_a_ventricle_tracings_stay_as_they_are():
    pair = [ventricle(), ventricle(0.8)]
    unseen = np.full((2, N_COORDINATES, N_FEATURES), np.nan)
    assert prior().correct(pair, unseen) == pair
    assert prior().correct([None, None], clear()) == [None, None]
    assert prior().correct([], clear(0)) == []
    [still] = prior().correct([pair[0]], clear(1))
    assert axis_length(still) == pytest.approx(axis_length(pair[0]), rel=0.1)


def test_a_sharp_border_with_a_bright_wall_has_other_features_than_one_in_a_shadow():
    tracing = ventricle(0.6, shift=(64.0, 30.0))
    box = Box(0, 0, 128, 128)
    y, x = np.mgrid[:128, :128]
    inside = (np.abs((x - 64) / 14.4) ** 2 + ((y - 84) / 54) ** 2 < 1) & (y < 84)
    wall = (np.abs((x - 64) / 22) ** 2 + ((y - 84) / 62) ** 2 < 1) & (y < 84) & ~inside
    sharp = np.stack([~(inside | wall), inside, wall, np.zeros_like(inside)]).astype(np.float32)
    vague = 0.5 * sharp + 0.5 * sharp.mean(axis=(1, 2), keepdims=True)
    features = [
        border_features(p, (light * wall).astype(np.float32), tracing, place(box, 128))
        for p, light in ((sharp, 0.8), (vague.astype(np.float32), 0.05))
    ]
    assert all(f.shape == (N_COORDINATES, N_FEATURES) for f in features)
    chords = slice(14, 38)
    assert features[0][chords, 0].mean() > 0.9, "the cavity ends at the border"
    assert (features[0][chords] > features[1][chords]).mean() > 0.9


def test_rebuilt_tracings_keep_their_volume():
    pair = [ventricle(), ventricle(0.7, lateral=0.1)]
    rebuilt = tracings_of_coordinates(coordinates_of(pair, SQUARE), SQUARE)
    assert [volume_of_tracing(t) for t in rebuilt] == pytest.approx([volume_of_tracing(t) for t in pair])


def rewrite(entry, **changes):
    path = entry.folder / SHAPE_NAME
    with np.load(path, allow_pickle=False) as file:
        held = {name: file[name] for name in file.files}
    np.savez_compressed(path, **(held | {name: np.array(value) for name, value in changes.items()}))


def test_a_prior_of_another_model_is_not_used_and_said(entry, caplog):
    assert SHAPE_NAME in verify_model(entry.folder).checked
    assert "interval.json: is of another shape prior" in verify_model(entry.folder).problem
    rewrite(entry, model_sha256="0" * 64)
    assert read_shape_prior(entry) is None
    assert "contours are not corrected" in caplog.text
    assert "of another model file" in verify_model(entry.folder).problem
    (entry.folder / SHAPE_NAME).unlink()
    assert read_shape_prior(entry) is None
    assert verify_model(entry.folder).problem == ""


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: (entry.folder / SHAPE_NAME).write_bytes(b""),
        lambda entry: (entry.folder / SHAPE_NAME).write_bytes(b"PK\3\4 no archive"),
        lambda entry: (entry.folder / SHAPE_NAME).write_bytes(
            (entry.folder / SHAPE_NAME).read_bytes()[:20000]
        ),
        lambda entry: rewrite(entry, mean=[0.0, 1.0]),
        lambda entry: rewrite(entry, noise=np.full((92, 92), np.nan)),
        lambda entry: rewrite(entry, share="much"),
        lambda entry: np.savez(entry.folder / SHAPE_NAME, mean=np.zeros(92)),
        lambda entry: np.savez(entry.folder / SHAPE_NAME, mean=np.array([{}], dtype=object)),
    ],
    ids=["empty", "no archive", "cut off", "another shape", "no numbers", "text", "one array", "objects"],
)
def test_a_damaged_prior_is_refused_in_one_sentence(damage, entry):
    damage(entry)
    with pytest.raises(WeightsError, match=r"shape\.npz: is no shape prior .* was expected"):
        read_shape_prior(entry)


def test_a_model_with_a_prior_measures_with_it_and_results_name_it(entry, caplog):
    plain, with_prior = Measurer(), Measurer(MeasureOptions(weights=str(entry.folder)))
    sha256 = read_shape_prior(entry).sha256
    assert dict(model_hashes(with_prior))["shape_sha256"] == sha256
    assert used_weights(with_prior.predictor, 0).shape_sha256 == sha256
    assert "shape_sha256" not in dict(model_hashes(plain))
    clip = open_clip(CINE)
    without, corrected = (measurer.measure_clip(clip) for measurer in (plain, with_prior))
    pairs = zip(without.tracings, corrected.tracings, strict=True)
    assert all((one is None) == (other is None) for one, other in pairs)
    assert corrected.ef_percent != without.ef_percent
    assert without.ef_low_percent is not None
    assert corrected.ef_low_percent is None, "the interval was calibrated without the prior"
    assert "not made with the shape prior in use" in caplog.text
    assert corrected.ef_percent == pytest.approx(without.ef_percent, abs=15)
