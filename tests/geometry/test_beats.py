from dataclasses import replace

import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator

from lvef.core.records import VolumeCurve
from lvef.geometry.beats import analyse_beats
from lvef.geometry.rhythm import spread_warnings
from lvef.synthesis.volume_curves import Rhythm, ectopic, fibrillation, noise, regular, volume_at
from studies.noisy_curves import noisy_curve


def curve_of(times, volume):
    return VolumeCurve(np.asarray(times, float), np.asarray(volume, float), np.ones(len(times)), True)


def match(analysis, rhythm, curve, start):
    """For each beat found, the number of the true beat that its ED belongs to."""
    onsets = rhythm.ed_times_s - start
    return [int(np.argmin(np.abs(onsets - curve.times_s[b.ed_frame]))) for b in analysis.beats]


@pytest.mark.parametrize("rate", [40, 60, 75, 100, 140, 180])
@pytest.mark.parametrize("fps", [15, 25, 50, 100, 140])
def test_regular_rhythm(rate, fps):
    rhythm = regular(8, rate, 55)
    start = 0.37 * 60 / rate  # in systole: the first beat is cut
    curve = noisy_curve(rhythm, fps, start_s=start, end_s=7.75 * 60 / rate)
    analysis = analyse_beats(curve)
    assert not analysis.partial
    assert len(analysis.beats) == 6  # of eight, the first is cut and the last has no end
    assert match(analysis, rhythm, curve, start) == [1, 2, 3, 4, 5, 6]
    assert analysis.heart_rate_bpm == pytest.approx(rate, rel=0.02)
    tolerance = 0.04 + (0.5 if fps >= 25 else 1.0) / fps
    for beat, truth in zip(analysis.beats, range(1, 7), strict=True):
        assert beat.excluded == ""
        assert abs(curve.times_s[beat.ed_frame] - (rhythm.ed_times_s[truth] - start)) <= tolerance
        assert abs(curve.times_s[beat.es_frame] - (rhythm.es_times_s[truth] - start)) <= tolerance
        # a parabola of 0.1 s to either side overshoots at the corners of a fast beat
        assert beat.ef_percent == pytest.approx(55, abs=3 if fps < 25 else 1 if rate <= 100 else 2)
        assert beat.ef_percent == 100 * (beat.ed_volume - beat.es_volume) / beat.ed_volume
        assert beat.ed_frame < beat.es_frame < beat.end_frame
    assert analysis.representative.ed_volume == pytest.approx(120, rel=0.03 if fps >= 25 else 0.07)


@pytest.mark.parametrize("ef", [15, 25, 40, 60, 75])
@pytest.mark.parametrize("correlation", [0.0, 0.05])
def test_noise_hardly_moves_the_mean_ef(ef, correlation):
    rng = np.random.default_rng(ef)
    found = []
    for rate, fps in [(45, 50), (70, 30), (70, 100), (110, 50), (170, 50), (170, 100)] * 3:
        curve = noisy_curve(
            regular(8, rate, ef),
            fps,
            start_s=rng.uniform(0, 60 / rate),
            noise_sd=3.6,
            correlation_s=correlation,
            rng=rng,
        )
        mean = analyse_beats(curve).ef_mean_percent
        if mean is not None:
            found.append(mean)
    assert len(found) >= 16
    # the lower of noisy values are chosen; less so where the swing is large
    assert np.mean(found) == pytest.approx(ef, abs=1.6 if ef > 25 else 2.6)


def test_another_shape_than_the_generators():
    # a plain cosine has no flat top or bottom, no kick, and equal systole and diastole
    for rate, ef in ((60, 30), (60, 60), (120, 60)):
        t = np.arange(0, 5, 0.02)
        edv, esv = 100.0, 100.0 - ef
        curve = curve_of(t, (edv + esv) / 2 + (edv - esv) / 2 * np.cos(2 * np.pi * rate / 60 * (t - 0.13)))
        assert analyse_beats(curve).ef_mean_percent == pytest.approx(ef, abs=1.5)


def test_clip_that_starts_in_mid_beat_with_es_before_ed():
    curve = noisy_curve(regular(4, 70, 50), 50, start_s=0.30, end_s=3.75 * 60 / 70)
    analysis = analyse_beats(curve)
    assert curve.times_s[analysis.beats[0].ed_frame] > 0.3
    assert len(analysis.beats) == 2


@pytest.mark.parametrize("bpm", [50, 75, 110])
def test_last_beat_counts_once_the_ventricle_is_full_again(bpm):
    cycle = 60 / bpm
    full = analyse_beats(noisy_curve(regular(5, bpm, 55), 50, end_s=4.02 * cycle))
    before_the_kick = analyse_beats(noisy_curve(regular(4, bpm, 55), 50, end_s=3.75 * cycle))
    assert len(full.beats) == 4
    assert len(before_the_kick.beats) == 3
    assert full.beats[-1].ef_percent == pytest.approx(55, abs=1)
    assert full.beats[-1].duration_s == pytest.approx(cycle, abs=0.06)
    assert full.heart_rate_bpm == pytest.approx(bpm, rel=0.02)


def test_fibrillation():
    rng = np.random.default_rng(4)
    rhythm = fibrillation(10, 90, 45, rng)
    end = float(rhythm.onsets_s[9]) + 0.3  # in the last beat's systole
    curve = noisy_curve(rhythm, 50, start_s=0.2, end_s=end, noise_sd=1.5, rng=rng)
    analysis = analyse_beats(curve)
    which = match(analysis, rhythm, curve, 0.2)
    assert which == list(range(1, 9))
    assert all(b.excluded == "" for b in analysis.beats)  # irregular throughout: nothing is "ectopic"
    assert [b.ef_percent for b in analysis.beats] == pytest.approx(rhythm.ef_percent[which], abs=4)
    assert analysis.ef_mean_percent == pytest.approx(rhythm.ef_percent[which].mean(), abs=1)
    codes = {n.code for n in analysis.notices}
    assert "irregular_rhythm" in codes
    assert "irregular_few_beats" not in codes


def test_fibrillation_with_few_beats_is_warned_of():
    rng = np.random.default_rng(8)
    rhythm = Rhythm(np.array([0.8, 0.55, 0.95, 0.6, 0.8]), np.full(5, 120.0), np.full(5, 45.0), kick=False)
    analysis = analyse_beats(noisy_curve(rhythm, 50, start_s=0.1, noise_sd=1.0, rng=rng))
    assert "irregular_few_beats" in {n.code for n in analysis.notices}


@pytest.mark.parametrize("at", [3, 5])
def test_ectopic_and_following_beat_are_left_out_with_the_reason(at):
    rng = np.random.default_rng(2)
    rhythm = ectopic(9, 70, 60, at)
    curve = noisy_curve(rhythm, 50, start_s=0.1, noise_sd=2.0, rng=rng)
    analysis = analyse_beats(curve)
    which = match(analysis, rhythm, curve, 0.1)
    reasons = dict(zip(which, (b.excluded for b in analysis.beats), strict=True))
    assert "premature" in reasons[at]
    assert "premature" in reasons[at + 1]
    assert {n for n, text in reasons.items() if not text} == set(range(1, 9)) - {at, at + 1}
    assert analysis.ef_mean_percent == pytest.approx(60, abs=1.2)
    assert analysis.heart_rate_bpm == pytest.approx(70, rel=0.03)


def test_drift():
    analysis = analyse_beats(noisy_curve(regular(6, 65, 50), 50, start_s=0.1, drift=-0.3))
    assert len(analysis.beats) == 4
    assert analysis.ef_mean_percent == pytest.approx(50, abs=2.5)


def test_gap_in_systole_voids_only_that_beat():
    curve = noisy_curve(regular(6, 60, 55), 50)
    volume = curve.volume.copy()
    volume[108:122] = np.nan  # in the ejection of the third beat
    volume[170:190] = np.nan  # in diastole: harmless
    analysis = analyse_beats(replace(curve, volume=volume))
    texts = [b.excluded for b in analysis.beats]
    assert [bool(t) for t in texts].count(True) == 1
    assert "not traced" in next(t for t in texts if t)
    assert analysis.ef_mean_percent == pytest.approx(55, abs=1)
    assert not any(np.isnan(volume[[b.ed_frame, b.es_frame]]).any() for b in analysis.beats)


def test_single_wild_frames_do_not_count():
    rng = np.random.default_rng(0)
    curve = noisy_curve(regular(6, 60, 55), 50, noise_sd=1.0, rng=rng)
    volume = curve.volume.copy()
    volume[[17, 66, 123, 201]] = [300, 4, 260, 2]
    assert analyse_beats(replace(curve, volume=volume)).ef_mean_percent == pytest.approx(55, abs=2)


def test_irregular_sampling():
    rng = np.random.default_rng(1)
    rhythm = regular(6, 75, 60)
    t = np.sort(rng.uniform(0, 4.7, 240))
    t = t[np.diff(t, prepend=-1) > 0.002]
    assert analyse_beats(curve_of(t, volume_at(rhythm, t))).ef_mean_percent == pytest.approx(60, abs=1)


def test_r_waves_part_the_beats():
    rng = np.random.default_rng(5)
    rhythm = regular(6, 60, 55)
    curve = noisy_curve(rhythm, 50, start_s=0.1, noise_sd=2, rng=rng)
    analysis = analyse_beats(curve, r_wave_times_s=[0.9, 1.9, 2.9, 3.9])
    assert len(analysis.beats) == 3
    assert [b.duration_s for b in analysis.beats] == pytest.approx([1, 1, 1])
    assert analysis.ef_mean_percent == pytest.approx(55, abs=1.5)
    nonsense = analyse_beats(curve, r_wave_times_s=[50.0, 51.0, float("nan")])
    assert nonsense.ef_mean_percent == pytest.approx(55, abs=1.5)


@pytest.mark.parametrize(("rate", "fps"), [(50, 48), (75, 48), (75, 25), (110, 48)])
@pytest.mark.parametrize("ef", [25, 60])
def test_half_sequence_from_ed_to_es(rate, fps, ef):
    root = np.sqrt(60 / rate)
    curve = noisy_curve(regular(1, rate, ef), fps, end_s=0.36 * root)
    analysis = analyse_beats(curve)
    assert analysis.partial
    assert analysis.representative.end_frame is None
    assert analysis.representative.ef_percent == pytest.approx(ef, abs=2.5)
    assert curve.times_s[analysis.representative.ed_frame] < 0.08
    assert curve.times_s[-1] - curve.times_s[analysis.representative.es_frame] < 0.09
    assert "no_whole_beat" in {n.code for n in analysis.notices}


def test_one_second_export_without_a_whole_beat():
    # late systole, filling, end-diastole at frames 20-24, early systole, a plane that drifts
    rng = np.random.default_rng(0)
    rhythm = regular(2, 70, 55)
    for _ in range(5):
        curve = noisy_curve(rhythm, 30, start_s=0.24, end_s=1.05, drift=0.1, noise_sd=2, rng=rng)
        analysis = analyse_beats(curve)
        assert analysis.partial
        one = analysis.representative
        assert one.es_frame < one.ed_frame
        assert 15 <= one.ed_frame <= 22
        assert one.ef_percent == pytest.approx(57, abs=5)


def test_still_filling_at_the_end_is_no_end_diastole():
    analysis = analyse_beats(noisy_curve(regular(2, 60, 55), 30, start_s=0.28, end_s=0.93))
    assert analysis.representative is None
    assert analysis.reason_code == "no_clear_phases"


def test_middle_of_an_ejection_is_no_half_beat():
    analysis = analyse_beats(noisy_curve(regular(1, 60, 55), 100, start_s=0.12, end_s=0.26))
    assert analysis.representative is None
    assert analysis.reason


@pytest.mark.parametrize("correlation", [0.0, 0.03])
@pytest.mark.parametrize("sd", [0.0, 0.02, 0.03])
def test_no_beats_are_invented(sd, correlation):
    rng = np.random.default_rng(11)
    for _ in range(25):
        volume = 120 + noise(150, 120 * sd, rng, correlation_s=correlation)
        analysis = analyse_beats(curve_of(np.arange(150) / 50, volume))
        assert analysis.representative is None
        assert analysis.reason_code in ("no_contraction", "no_clear_phases")


@pytest.mark.parametrize("ef", [9.0, 12.0])
def test_a_heart_that_hardly_moves_is_reported_by_its_repeating_itself(ef):
    """Noise of 2 % hides single beats of such an EF; they were refused as no contraction."""
    rates = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        t = np.arange(200) / 50
        volume = 150 * (1 - ef / 200 * (1 - np.cos(2 * np.pi * t / 0.8))) + noise(
            200, 3.0, rng, correlation_s=0.02
        )
        analysis = analyse_beats(curve_of(t, volume))
        if analysis.representative is None:
            continue
        rates.append(analysis.heart_rate_bpm)
        assert analysis.ef_mean_percent == pytest.approx(ef, abs=4)
    assert len(rates) >= 8
    assert np.median(rates) == pytest.approx(75, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("correlation", [0.0, 0.03, 0.1])
def test_few_noises_repeat_themselves(correlation):
    """Noise of 2 % whose change reaches that of a faint heart must not often do so in time."""
    rng = np.random.default_rng(3)
    told = 0
    for _ in range(200):
        volume = 120 + noise(150, 2.4, rng, correlation_s=correlation)
        told += analyse_beats(curve_of(np.arange(150) / 50, volume)).representative is not None
    assert told <= 4


SHAPES = {
    # phase of the cycle and volume; ED 120 at the start, the lowest value is ES
    "double_dip": [(0.0, 120), (0.28, 53), (0.39, 84), (0.5, 56), (0.75, 105), (0.9, 110)],
    "second_dip_deeper": [(0.0, 120), (0.28, 58), (0.39, 84), (0.5, 53), (0.75, 105), (0.9, 110)],
    "high_bump": [(0.0, 120), (0.25, 53), (0.38, 92), (0.52, 60), (0.75, 105), (0.9, 110)],
    "low_bump": [(0.0, 120), (0.3, 53), (0.36, 62), (0.43, 55), (0.7, 105), (0.9, 110)],
    "notch_in_ejection": [(0.0, 120), (0.15, 80), (0.22, 92), (0.4, 53), (0.65, 105), (0.9, 110)],
    "late_systolic": [(0.0, 120), (0.3, 75), (0.66, 53), (0.85, 108), (0.92, 112)],
    "dip_in_diastole": [(0.0, 120), (0.35, 53), (0.58, 112), (0.72, 86), (0.86, 104)],
}


def shaped(shape, cycles, fps, rng=None, noise_sd=0.0):
    """A cine of beats of a shape, and the true volume at its frames."""
    onsets = np.concatenate([[0.0], np.cumsum(cycles)])
    knots = [(t + phase * c, v) for t, c in zip(onsets, cycles, strict=False) for phase, v in SHAPES[shape]]
    knots.append((onsets[-1], 120))
    x, y = np.array(knots).T
    # from the filling of the first beat on, so that every end-diastole has curve on both sides
    times = np.arange(int((onsets[-1] - 0.8 * cycles[0]) * fps)) / fps
    truth = PchipInterpolator(x, y)(times + 0.8 * cycles[0])
    seen = truth if rng is None else truth + noise_sd * rng.standard_normal(len(times))
    return curve_of(times, seen), truth


@pytest.mark.parametrize("fps", [20, 30, 50, 72, 140])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["regular", "fast", "irregular", "noisy"])
def test_es_is_the_minimum_between_two_eds(shape, fps, kind):
    cycles = {
        "fast": np.full(9, 0.55),
        "irregular": np.array([0.83, 1.0, 0.7, 0.95, 0.75, 1.05, 0.85]),
    }.get(kind, np.full(6, 0.83))
    rng = np.random.default_rng(fps) if kind == "noisy" else None
    curve, truth = shaped(shape, cycles, fps, rng, 2.0)
    analysis = analyse_beats(curve)
    # the last one counts where the ventricle is full again at the end of the clip
    assert len(cycles) - 2 <= len(analysis.beats) <= len(cycles) - 1
    read = analysis.smooth_volume
    for number, beat in enumerate(analysis.beats):
        ed, es, end = beat.ed_frame, beat.es_frame, beat.end_frame
        assert beat.duration_s == pytest.approx(cycles[number + 1], rel=0.2)
        assert (beat.ed_volume, beat.es_volume) == (read[ed], read[es])
        swing = np.ptp(truth[ed : end + 1])
        assert read[es] - read[ed : end + 1].min() <= (0.08 if rng else 0.045) * swing
        assert truth[es] - truth[ed : end + 1].min() <= 0.2 * swing
        assert truth[ed : end + 1].max() - truth[ed] <= 0.2 * swing
        assert read[es] <= min(read[es - 1], read[es + 1])
        assert read[ed] >= max(read[ed - 1], read[ed + 1])
    if fps >= 30:
        assert analysis.ef_mean_percent == pytest.approx(100 * (1 - 53 / 120), abs=8 if kind == "fast" else 5)


def test_shown_is_the_beat_nearest_to_the_mean():
    rhythm = Rhythm(
        np.full(7, 0.9),
        np.array([120, 130, 110, 125, 118, 120, 120.0]),
        np.array([50, 58, 44, 52, 61, 47, 50.0]),
    )
    analysis = analyse_beats(noisy_curve(rhythm, 60, end_s=6.75 * 0.9))
    efs = [b.ef_percent for b in analysis.beats]
    assert analysis.representative in analysis.beats
    assert len(efs) == 6
    assert analysis.ef_mean_percent == pytest.approx(np.mean(efs))
    assert analysis.representative.ef_percent == min(efs, key=lambda ef: abs(ef - np.mean(efs)))
    assert analysis.ef_sd_percent == pytest.approx(np.std(efs, ddof=1))
    assert {"beats_disagree", "beats_cross_range"} <= {n.code for n in analysis.notices}


@pytest.mark.parametrize(
    ("efs", "codes"),
    [
        ((55.6, 56.9, 60.2, 62.8), []),
        ((52.0, 62.1), ["beats_disagree"]),
        ((49.4, 50.0), ["beats_cross_range"]),
        ((40.4, 40.6), ["beats_cross_range"]),
        ((49.5, 50.2), []),
        ((35.0, 52.0), ["beats_disagree", "beats_cross_range"]),
        ((30.0,), []),
    ],
)
def test_beats_that_disagree_are_warned_of(efs, codes):
    assert [n.code for n in spread_warnings(efs)] == codes


def test_a_smoothed_curve_is_read_as_it_is():
    curve = noisy_curve(regular(5, 70, 55), 50, start_s=0.1, noise_sd=1.0, rng=np.random.default_rng(0))
    analysis = analyse_beats(curve, is_smoothed=True)
    for beat in analysis.beats:
        assert beat.ed_volume == curve.volume[beat.ed_frame]
        assert beat.es_volume == curve.volume[beat.es_frame]


@pytest.mark.parametrize("n", [0, 1, 3, 5])
def test_too_few_frames(n):
    analysis = analyse_beats(curve_of(np.arange(n) / 50, np.full(n, 100.0)))
    assert analysis.reason_code == "too_few_frames"
    assert len(analysis.smooth_volume) == n


def test_all_nan():
    assert analyse_beats(curve_of(np.arange(90) / 30, np.full(90, np.nan))).reason_code == "too_few_frames"


def test_ef_does_not_depend_on_the_unit():
    curve = noisy_curve(regular(5, 70, 48), 40, noise_sd=2, rng=np.random.default_rng(3))
    one = analyse_beats(curve)
    other = analyse_beats(replace(curve, volume=curve.volume * 4321.0, calibrated=False))
    assert other.ef_mean_percent == pytest.approx(one.ef_mean_percent)
    assert [b.ed_frame for b in other.beats] == [b.ed_frame for b in one.beats]


@pytest.mark.parametrize("fps", [25, 50, 140])
def test_a_clip_that_starts_in_systole_does_not_take_its_bump_for_end_diastole(fps):
    """From inside the first dip on: a bump at 72 ml, the true minimum 45 ml, then three complete beats of 100 to 45 ml."""
    onsets = 0.85 * np.arange(1, 4)
    knots = [(0.0, 60), (0.1, 72), (0.22, 45)]
    for onset in onsets:
        knots += [(onset, 100), (onset + 0.37, 45)]
    x, y = np.array([*knots, (3.4, 100), (3.6, 60)]).T
    times = np.arange(0, 3.6, 1 / fps)
    analysis = analyse_beats(curve_of(times, PchipInterpolator(x, y)(times)), is_smoothed=True)
    assert [times[beat.ed_frame] for beat in analysis.beats] == pytest.approx(onsets, abs=1 / fps)
    assert [beat.ef_percent for beat in analysis.beats] == pytest.approx([55] * 3, abs=2)
    assert analysis.ef_mean_percent == pytest.approx(55, abs=2)


@pytest.mark.parametrize("fps", [25, 50, 80])
@pytest.mark.parametrize("cycle_s", [0.6, 0.8, 1.0])
@pytest.mark.parametrize(
    ("ed", "es"),
    [((100, 100), (40, 58)), ((100, 100), (35, 50)), ((100, 75), (45, 40)), ((100, 100), (40, 70))],
)
def test_strong_and_weak_beats_by_turns_are_beats_of_their_own(ed, es, cycle_s, fps):
    n, systole = 8, 0.38
    eds, ess = np.resize(ed, n + 1).astype(float), np.resize(es, n).astype(float)
    times = np.arange(0, n * cycle_s, 1 / fps)
    at = np.minimum(times // cycle_s, n - 1).astype(int)
    u = times / cycle_s - at
    ejected = (1 - np.cos(np.pi * np.minimum(u / systole, 1))) / 2
    filled = (1 - np.cos(np.pi * np.clip((u - systole) / (0.85 - systole), 0, 1))) / 2
    volume = np.where(
        u < systole, eds[at] + (ess - eds[:-1])[at] * ejected, ess[at] + (eds[1:] - ess)[at] * filled
    )
    analysis = analyse_beats(VolumeCurve(times, volume, np.full(len(times), 80.0), True))
    assert len(analysis.beats) >= n - 2, "no two beats are taken for one"
    assert analysis.ef_mean_percent == pytest.approx(np.mean(100 * (1 - ess / eds[:-1])), abs=2.5)
    assert analysis.heart_rate_bpm == pytest.approx(60 / cycle_s, rel=0.05)
    assert {"beats_disagree", "beats_cross_range"} & {notice.code for notice in analysis.notices}


@pytest.mark.parametrize("rate_hz", [15, 20, 25, 30, 50])
def test_a_sharp_end_systole_of_a_slow_clip_is_no_outlier(rate_hz):
    """The tip of a systole that lasts a few frames is far from the median of five, and is the minimum all the same."""
    lowest = 0
    for phase in np.linspace(0, 1, 20, endpoint=False):
        times = np.arange(int(3 * rate_hz)) / rate_hz
        cycle = (times / 0.8 + phase) % 1
        squeeze = np.interp(cycle, [0, 0.33, 0.6, 1], [0, 1, 0.15, 0])
        curve = curve_of(times, 100 * (1 - 0.6 * squeeze))
        for beat in analyse_beats(curve, is_smoothed=True).beats:
            inside = curve.volume[beat.ed_frame : beat.end_frame + 1] if beat.end_frame else None
            if inside is not None:
                assert beat.es_volume == inside.min()
                lowest += 1
    assert lowest >= 40
