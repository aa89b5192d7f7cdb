"""A clip that is no single recording: what is found, and what is left to measure."""

from __future__ import annotations

import io
from dataclasses import replace

import av
import cv2
import numpy as np
import pytest

from lvef.core.errors import GeometryError, QualityRefusal
from lvef.core.records import Beat, Clip, Measurement, VolumeCurve
from lvef.core.terms import Status, View
from lvef.io.open import open_clip
from lvef.measure.continuity import MAX_SIZE_CHANGE, cut_clip, good_part, hide_foreign, in_file
from lvef.synthesis.phantom.draw import PhantomOptions, draw_phantom
from lvef.synthesis.phantom.render import render_phantom, sample_phantom
from lvef.synthesis.volume_curves import RhythmKind
from lvef.transforms.continuity import size_change
from tests.house import ROOT
from tests.measure import broken_clips as broken
from tests.measure.made_up import ellipse_tracing

N = 100
"""Frames of the good recording, 50 a second."""


def phantom_frames(seed, **options):
    rng = np.random.default_rng(seed)
    return render_phantom(draw_phantom(rng, PhantomOptions(**options), name="phantom"), rng).clip.frames


@pytest.fixture(scope="module")
def frames():
    return sample_phantom().clip.frames[:N]


@pytest.fixture(scope="module")
def other_view():
    return sample_phantom(View.A2C).clip.frames[:N]


@pytest.fixture(scope="module")
def other_patient():
    return phantom_frames(8, frame_rate_hz=50.0, n_frames=N, ef_percent=35.0)


def part_of(frames, rate_hz=50.0, **kwargs):
    return good_part(clip_of(frames, rate_hz), **kwargs)


def clip_of(frames, rate_hz=50.0):
    return Clip(np.ascontiguousarray(frames), np.arange(len(frames)) / rate_hz, "made so", "clip.avi")


def codes(part):
    return [notice.code for notice in part.notices]


def ends(part):
    return int(part.frames[0]), int(part.frames[-1])


def test_a_recording_is_whole(frames):
    part = part_of(frames)
    assert part.is_whole
    assert part.notices == ()
    assert not part.foreign.any()
    clip = clip_of(frames)
    assert cut_clip(clip, part).frames is clip.frames
    assert hide_foreign(clip, Measurement("clip.avi", Status.OK)) is clip


SMALL_CHANGES = {
    "flicker": broken.flicker,
    "a moving probe": broken.moving_probe,
    "noise": lambda f: broken.noisy(f, 5),
    "missing frames": lambda f: np.delete(f, [5, 6, 7, 8, 9, 40, 41, 61, 62, 63], axis=0),
    "every fifth frame": lambda f: f[::5],
    "half a beat": lambda f: f[:12],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL_CHANGES)
def test_what_recordings_do_is_no_cut(frames, name):
    part = part_of(SMALL_CHANGES[name](frames))
    assert part.is_whole
    assert part.notices == ()


@pytest.mark.slow
@pytest.mark.parametrize("rate_hz", [10.0, 15.0, 30.0])
@pytest.mark.parametrize(
    ("rhythm", "heart_rate_bpm", "ef_percent"),
    [
        (RhythmKind.SINUS, 150.0, 70.0),
        (RhythmKind.SINUS, 45.0, 15.0),
        (RhythmKind.FIBRILLATION, None, None),
        (RhythmKind.ECTOPIC, None, None),
    ],
)
def test_hearts_of_all_kinds_are_whole(rate_hz, rhythm, heart_rate_bpm, ef_percent):
    options = {"frame_rate_hz": rate_hz, "n_frames": round(4 * rate_hz), "rhythm": rhythm}
    frames = phantom_frames(3, heart_rate_bpm=heart_rate_bpm, ef_percent=ef_percent, **options)
    assert part_of(frames, rate_hz).notices == ()


def test_a_view_that_changes_is_a_cut_and_the_longer_part_is_kept(frames, other_view):
    part = part_of(broken.joined(frames, other_view, at=40))
    assert codes(part) == ["cut"]
    assert ends(part) == (40, 139)
    assert "between frames 39 and 40" in part.notices[0].text
    assert "frames 40 to 139 of 0 to 139" in part.notices[0].text
    assert part.foreign.tolist() == [True] * 40 + [False] * 100


JOINED = {
    "another patient": lambda f, other: broken.joined(f[:40], other, at=40),
    "another depth": lambda f, _: np.concatenate([f[:40], broken.other_depth(f)[40:]]),
    "mirrored from there": lambda f, _: np.concatenate([f[:40], f[40:, :, ::-1]]),
    "upside down from there": lambda f, _: np.concatenate([f[:40], f[40:, ::-1]]),
    "turned from there": lambda f, _: np.concatenate([f[:40], np.rot90(f[40:], axes=(1, 2))]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", JOINED)
def test_other_cuts(frames, other_patient, name):
    made = JOINED[name](frames, other_patient)
    part = part_of(made)
    assert codes(part) == ["cut"]
    assert ends(part) == (40, len(made) - 1)


def test_three_recordings(frames, other_view, other_patient):
    made = np.concatenate([frames[:60], other_view, other_patient[:70]])
    part = part_of(made)
    assert codes(part) == ["cut"]
    assert "and in 1 more place" in part.notices[0].text
    assert ends(part) == (60, 159)
    assert part.foreign.sum() == 130


@pytest.mark.parametrize("length", [16, 25, 50])
@pytest.mark.parametrize("first", [0, 30, N - 1])
@pytest.mark.parametrize("sd", [0.0, 0.5])
def test_a_freeze_ends_a_part(frames, first, length, sd):
    made = broken.frozen(frames, first, length)
    part = part_of(broken.noisy(made, sd) if sd else made)
    assert codes(part) == ["freeze"]
    assert ends(part) == ((0, N - 1) if first == N - 1 else (first + length, len(made) - 1))
    assert f"frames {first} to {first + length - 1}" in part.notices[0].text
    assert not part.foreign.any(), "a frozen image is the recording's own"


def test_a_clip_that_stands_still_is_refused(frames):
    with pytest.raises(
        QualityRefusal, match=r"clip\.avi: no part of the clip .* stands still for 2 s"
    ) as refusal:
        part_of(np.repeat(frames[:1], 101, axis=0))
    assert refusal.value.code == "no_good_part"
    assert "at least 5 frames and 0.2 s are needed. Export" in str(refusal.value)


def test_an_ecg_may_run_on_below_a_freeze(frames):
    made = broken.frozen(frames, 30, 40)
    for i, frame in enumerate(made):
        frame[104:108, 2 * i % 100 : 2 * i % 100 + 8] = 220
    assert codes(part_of(made)) == ["freeze"]


@pytest.mark.parametrize(
    ("made", "rate"), [(lambda f: np.repeat(f, 2, axis=0), 50), (broken.pulled_down, 40)]
)
def test_frames_shown_twice_are_no_freeze(frames, made, rate):
    part = part_of(made(frames), 100.0)
    assert part.is_whole
    assert codes(part) == ["duplicate_frames"]
    assert f"about {rate} frames a second are new" in part.notices[0].text.replace("40.2", "40").replace(
        "50.3", "50"
    )


@pytest.mark.parametrize(
    ("times", "expected"),
    [(2, ["duplicate_frames"]), (4, ["duplicate_frames"]), (6, ["duplicate_frames", "few_new_frames"])],
)
def test_frames_of_a_slow_recording_shown_several_times_are_no_freeze(frames, times, expected):
    """At 60 Hz: 30, 15 and 10 new frames a second."""
    part = part_of(np.repeat(frames[::5], times, axis=0), 60.0)
    assert part.is_whole
    assert codes(part) == expected


def scaled(frames, scale):
    """Frames about the middle of their upper edge, each by its own scale."""
    height, width = frames.shape[1:]
    return np.stack(
        [
            cv2.warpAffine(frame, np.array([[s, 0, (1 - s) * width / 2], [0, s, 0]]), (width, height))
            for frame, s in zip(frames, scale, strict=True)
        ]
    )


ZOOMS = {
    "none": (lambda t: np.ones(len(t)), []),
    "swinging by 3 %": (lambda t: 1 - 0.015 * (1 - np.cos(7 * t)), []),
    "swinging by 12 %": (lambda t: 1 - 0.06 * (1 - np.cos(7 * t)), ["zoom_changes"]),
    "out": (lambda t: np.linspace(1, 0.8, len(t)), ["zoom_changes"]),
    "in": (lambda t: np.linspace(0.8, 1, len(t)), ["zoom_changes"]),
}


@pytest.mark.parametrize("name", ZOOMS)
def test_an_image_that_changes_its_size_is_warned_of(frames, name):
    scale, expected = ZOOMS[name]
    part = part_of(scaled(frames, scale(np.arange(len(frames)) / 50)))
    assert part.is_whole
    assert codes(part) == expected


def cines_of_other_hospitals():
    folder = ROOT.parent / "shared" / "data" / "external"
    files = sorted([*folder.glob("*.mkv"), *folder.glob("*.mp4")])
    if not files:
        pytest.skip("the images of other hospitals are not beside the repository (../shared/data/external)")
    return files


@pytest.mark.realdata
def test_cines_of_other_hospitals_keep_their_size_and_a_zoom_of_a_tenth_is_seen():
    for file in cines_of_other_hospitals():
        frames = open_clip(file).frames
        number = np.arange(len(frames))
        swinging = scaled(frames, 1 - 0.05 * (1 - np.cos(2 * np.pi * number / 25)))
        assert size_change(frames, number) < MAX_SIZE_CHANGE < size_change(swinging, number), file.name


@pytest.mark.realdata
def test_cines_of_other_hospitals_are_whole_and_their_copies_and_orders_are_seen():
    found = []
    for file in cines_of_other_hospitals():
        clip = open_clip(file)
        frames, rate_hz, n = clip.frames, 1 / float(np.median(np.diff(clip.times_s))), len(clip.frames)
        frames = frames[:, : frames.shape[1] // 2 * 2, : frames.shape[2] // 2 * 2]
        for step in (1, 2):
            assert not {"frame_order", "likely_copies", "freeze", "cut"} & {
                *codes(part_of(frames[::step], rate_hz / step))
            }
        assert "frame_order" in codes(part_of(frames[: n // 2 * 2][np.arange(n // 2 * 2) ^ 1], rate_hz)), (
            file.name
        )
        with pytest.raises(QualityRefusal, match="in no order"):
            part_of(frames[np.random.default_rng(3).permutation(n)], rate_hz)
        first = frames[: n // 2]
        for second in (first, first[::-1]):
            part = part_of(h264(np.concatenate([first, second]), 26), rate_hz)
            found.append(bool({"likely_copies", "repeated_loop", "played_backward"} & {*codes(part)}))
    assert np.mean(found) >= 0.9


LOOPS = {
    "twice": lambda f: [f, f],
    "two and a half times": lambda f: [f, f, f[: len(f) // 2]],
    "coded again": lambda f: [broken.noisy(f, 1, 1), broken.noisy(f, 1, 2)],
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_holds_no_new_beats(frames, name):
    part = part_of(np.concatenate(LOOPS[name](frames[:60])))
    assert codes(part) == ["repeated_loop"]
    assert ends(part) == (0, 59)
    assert not part.foreign.any()


PALINDROMES = {
    "back": lambda f: [f, f[::-1]],
    "back without its last frame": lambda f: [f, f[-2::-1]],
    "back and forth": lambda f: [f, f[-2::-1], f[1:]],
    "coded again": lambda f: [broken.noisy(f, 1, 1), broken.noisy(f[::-1], 1, 2)],
}


@pytest.mark.parametrize("name", PALINDROMES)
def test_what_is_played_backward_holds_no_new_beats(frames, name):
    part = part_of(np.concatenate(PALINDROMES[name](frames[:60])))
    # The last frame, a copy of the first, is no loop of its own.
    loops = ["repeated_loop"] if name == "back and forth" else []
    assert codes(part) == [*loops, "played_backward"]
    first, last = ends(part)
    assert first == 0
    assert abs(last - 59) <= 1


def h264(frames, crf):
    """The frames as they come back from an H.264 file."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as file:
        stream = file.add_stream("libx264", rate=30, options={"crf": str(crf), "preset": "veryfast"})
        stream.height, stream.width = frames.shape[1:]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
        file.mux(stream.encode())
    buffer.seek(0)
    with av.open(buffer) as file:
        return np.stack([frame.to_ndarray(format="gray") for frame in file.decode(video=0)])


@pytest.fixture(scope="module")
def clear():
    """A recording with little noise."""
    return phantom_frames(
        4,
        frame_rate_hz=30.0,
        n_frames=45,
        heart_rate_bpm=66.0,
        ef_percent=60.0,
        noise_grey=0.0,
        effects=False,
        size=224,
    )


@pytest.mark.parametrize("back", [False, True])
def test_compressed_copies_are_warned_of(clear, back):
    made = h264(np.concatenate([clear, clear[::-1] if back else clear]), 28)
    part = part_of(made, 30.0)
    assert part.is_whole
    assert codes(part) == ["likely_copies"]
    assert part_of(h264(clear, 28), 30.0).notices == ()


ORDERS = {
    "pairs swapped": lambda n: np.arange(n) ^ 1,
    "as coded": lambda n: np.concatenate([[0], *([i + 3, i + 1, i + 2] for i in range(0, n - 3, 3))]),
    "moved by two frames": lambda n: np.argsort(np.arange(n) + np.random.default_rng(2).normal(0, 2, n)),
}


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("step", [1, 2])
def test_frames_in_a_wrong_order_are_warned_of(frames, name, step):
    good = frames[::step]
    part = part_of(good[ORDERS[name](len(good))], 50.0 / step)
    assert "frame_order" in codes(part)


def test_frames_in_no_order_are_refused(frames, other_view):
    shuffled = frames[np.random.default_rng(1).permutation(N)]
    with pytest.raises(
        QualityRefusal, match=r"clip\.avi: The frames are in no order: in .* Export"
    ) as refusal:
        part_of(shuffled)
    assert refusal.value.code == "frame_order"
    with pytest.raises(QualityRefusal, match="in no order"):
        part_of(np.stack([frames, other_view], axis=1).reshape(2 * N, *frames.shape[1:]))
    part = part_of(shuffled, chosen=(3, 9))
    assert part.is_whole
    assert "frame_order" in codes(part)


@pytest.mark.parametrize("sd", [3, 8])
@pytest.mark.parametrize("length", [35, 60])
def test_a_freeze_below_noise(frames, sd, length):
    """Noise of a later stage goes on where the image stands."""
    part = part_of(broken.noisy(broken.frozen(frames, 40, length), sd))
    assert codes(part) == ["freeze"]
    first, last = ends(part)
    assert abs(first - 40 - length) <= 6
    assert last == N + length - 2


def test_an_ecg_may_run_on_below_a_freeze_with_noise(frames):
    made = broken.noisy(broken.frozen(frames, 30, 40), 3)
    for i, frame in enumerate(made):
        frame[104:108, 2 * i % 100 : 2 * i % 100 + 8] = 220
    assert codes(part_of(made)) == ["freeze"]


def test_noise_alone_is_no_freeze(frames):
    assert part_of(broken.noisy(np.repeat(frames[:1], N, axis=0), 8)).notices == ()


@pytest.fixture(scope="module")
def hearts():
    options = {"frame_rate_hz": 30.0, "n_frames": 70}
    return [phantom_frames(i, view=View.A2C if i % 2 else View.A4C, **options) for i in range(20, 27)]


@pytest.mark.parametrize("length", [15, 24, 30])
def test_a_montage_of_many_parts(hearts, length):
    """21 short parts of 0.5, 0.8 and 1 second, and one that is longer than the others."""
    starts = np.random.default_rng(1).integers(0, 70 - length, 21)
    parts = [hearts[i % 6][start : start + length] for i, start in enumerate(starts.tolist())]
    parts[9] = hearts[6][:60]
    part = part_of(np.concatenate(parts), 30.0)
    # Some of the short parts show the same frames.
    assert codes(part) == ["cut", "repeated_loop"]
    assert "in 19 more places" in part.notices[0].text
    assert ends(part) == (9 * length, 9 * length + 59)


LEADS = {
    "a report page": (broken.title, 50),
    "a page for one frame": (broken.title, 1),
    "a page for a moment": (broken.title, 8),
    "colour bars": (broken.bars, 50),
    "black": (broken.black, 50),
    "two black frames": (broken.black, 2),
}


@pytest.mark.parametrize("name", LEADS)
def test_pages_and_black_are_left_out(frames, name):
    make, n = LEADS[name]
    page = make(frames, n)
    before, behind = part_of(np.concatenate([page, frames])), part_of(np.concatenate([frames, page]))
    assert ends(before) == (n, n + N - 1)
    assert ends(behind) == (0, N - 1)
    for part, made in ((before, [page, frames]), (behind, [frames, page])):
        result = Measurement("clip.avi", Status.OK, notices=part.notices)
        shown = hide_foreign(clip_of(np.concatenate(made)), result).frames
        left = np.setdiff1d(np.arange(n + N), part.frames)
        assert not shown[left].any(), "a page may name a person"


def test_a_page_in_the_middle_ends_the_part(frames):
    part = part_of(np.concatenate([frames[:30], broken.title(frames, 20), frames[30:]]))
    assert ends(part) == (50, 119)


def test_a_fade_is_left_out_as_long_as_nothing_is_seen(frames):
    part = part_of(broken.fade(frames, 20))
    first, last = ends(part)
    assert 2 <= first <= 10
    assert last == N - 1


@pytest.mark.parametrize("kind", ["noise", "half grey", "shifted", "black"])
@pytest.mark.parametrize("rate_hz", [50.0, 12.5])
def test_a_damaged_frame_is_left_out_and_the_recording_goes_on(frames, kind, rate_hz):
    good = frames[:: round(50 / rate_hz)]
    part = part_of(broken.damaged(good, 11, kind), rate_hz)
    assert codes(part) == ["damaged_frames"]
    assert part.frames.tolist() == [i for i in range(len(good)) if i != 11]
    assert np.flatnonzero(part.foreign).tolist() == [11]


def test_nothing_long_enough_is_refused(frames, other_view):
    made = np.concatenate([frames[:4], broken.black(frames, 10), other_view[:4]])
    with pytest.raises(QualityRefusal, match="longest continuous part has 4 frames"):
        part_of(made)


def test_a_black_clip_is_left_to_the_search_for_the_sector(frames):
    assert part_of(broken.black(frames, 20)).is_whole


def test_chosen_frames_rule_where_no_cut_lies_between_them(frames, other_view):
    made = broken.joined(frames, other_view, at=40)
    assert ends(part_of(made, chosen=(5, 20))) == (0, 39)
    assert ends(part_of(made, chosen=(50, 60))) == (40, 139)
    with pytest.raises(GeometryError, match="frames 5 and 60 were chosen as ED and ES, but the clip is cut"):
        part_of(made, chosen=(5, 60))
    loop = np.concatenate([frames[:60], frames[:60]])
    assert part_of(loop, chosen=(10, 90)).is_whole


def test_results_have_the_numbers_of_the_file(frames, other_view):
    clip = replace(clip_of(broken.joined(frames, other_view, at=40)), r_wave_times_s=(0.5, 1.0))
    part = good_part(clip)
    cut = cut_clip(clip, part)
    assert np.array_equal(cut.frames, clip.frames[40:])
    assert cut.times_s[[0, -1]] == pytest.approx([0, 1.98])
    assert cut.r_wave_times_s == pytest.approx((-0.3, 0.2))
    assert cut.notices == part.notices
    volume = np.linspace(100, 50, 100)
    beat = Beat(3, 20, 45, 98.0, 60.0, 39.0, 0.84)
    tracing = ellipse_tracing((56.0, 50.0), (15.0, 30.0))
    found = Measurement(
        "clip.avi", Status.OK, ed_frame=3, es_frame=20, beats=(beat, replace(beat, end_frame=None)), n_frames=100,
        curve=VolumeCurve(cut.times_s, volume, volume, True), tracings=(tracing,) * 100,
    )  # fmt: skip
    moved = in_file(found, clip, part)
    assert (moved.ed_frame, moved.es_frame, moved.n_frames) == (43, 60, 140)
    assert [(b.ed_frame, b.es_frame, b.end_frame) for b in moved.beats] == [(43, 60, 85), (43, 60, None)]
    assert moved.shown_beat is moved.beats[0]
    assert moved.duration_s == pytest.approx(2.78)
    assert np.isnan(moved.curve.volume[:40]).all()
    assert np.array_equal(moved.curve.volume[40:], volume)
    assert np.array_equal(moved.curve.times_s, clip.times_s)
    assert moved.tracings == (None,) * 40 + (tracing,) * 100
    assert moved.frame_time_s(moved.ed_frame) == pytest.approx(0.86)
