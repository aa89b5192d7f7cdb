"""Each kind of problem is put into a sound collection, and only that one is found: named, counted, with its remedy."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from lvef.core.errors import VideoError
from lvef.datasets.check import check_manifest
from lvef.datasets.check_files import Decoded, decode_row
from lvef.datasets.findings import EXAMPLES, Severity
from lvef.datasets.manifest import make_manifest
from lvef.datasets.registry import find_reader
from tests.datasets.check_folder import SIZE, clip_row, frames, still_rows, ventricle, write, write_avi


@pytest.fixture
def rows(tmp_path):
    return write(tmp_path / "set")


@pytest.fixture
def root(rows):
    return Path(rows[0]["root"])


def found(rows, **options):
    """Findings by code."""
    listed = check_manifest(make_manifest(rows), **options)
    assert all(f.text.endswith(".") and f.count and f.examples for f in listed)
    assert all(f.remedy or f.severity is Severity.NOTE for f in listed)
    return {f.code: f for f in listed}


def codes(rows, **options):
    return {code: finding.count for code, finding in found(rows, **options).items()}


def test_a_sound_collection_has_no_findings(rows):
    assert codes(rows) == {}
    assert codes(rows, decode=decode_row) == {}


def test_an_empty_manifest_is_an_error():
    assert codes([]) == {"empty": 1}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ef_percent": 62.0}, "ef_disagrees"),
        ({"ef_percent": 0.6}, "ef_below_one"),
        ({"edv_ml": 40.0, "esv_ml": 100.0}, "esv_above_edv"),
        ({"es_frame": 20}, "phase_beyond_clip"),
        ({"ed_frame": 20}, "phase_beyond_clip"),
        ({"es_frame": 2}, "same_phase_frame"),
        ({"frame_rate_hz": 0.5}, "frame_rate_implausible"),
        ({"frame_rate_hz": 500.0}, "frame_rate_implausible"),
        ({"frame_rate_hz": None}, "no_frame_rate"),
        ({"ef_percent": None}, "unlabelled"),
        ({"split": None}, "no_split"),
        ({"path": "none.avi"}, "missing_file"),
        ({"n_frames": 21}, "frames_differ"),
        ({"n_frames": 19}, "frames_differ"),
        ({"width_px": 65}, "size_differs"),
        ({"height_px": 32}, "size_differs"),
        ({"frame_rate_hz": 30.0}, "frame_rate_differs"),
        ({"patient": "p-c1", "split": "test"}, "patient_in_two_splits"),
        ({"mask_path": "s0_ED_gt.png"}, "clip_without_mask"),
        ({"n_frames": 40, "es_frame": 30}, "file_ends_before_phase"),
    ],
)
def test_one_wrong_row(rows, changes, code):
    rows[0].update(changes)
    listed = found(rows)
    assert code in listed
    others = set(listed) - {code} - {"frame_rate_differs", "frames_differ"}
    assert not others
    wanted = 3 if code == "clip_without_mask" else 1
    assert listed[code].count == wanted
    if code not in {"patient_in_two_splits", "clip_without_mask"}:
        assert "c0" in listed[code].examples[0]


def test_what_lies_exactly_at_the_limits_is_sound(rows):
    rows[0].update(es_frame=19)
    rows[1].update(ef_percent=60.5)
    assert codes(rows) == {}
    rows[1].update(ef_percent=60.51, edv_ml=100.5, esv_ml=40.2)
    assert codes(rows) == {"ef_disagrees": 1}


def test_what_rounding_explains_is_a_note(tmp_path, rows):
    # 10.4 and 4.6 ml make 55.8 %; rounded to whole numbers 10 and 5 they would say 50.
    for row in rows:
        row.update(edv_ml=10.0, esv_ml=5.0, ef_percent=56.0)
    listed = found(rows)
    assert set(listed) == {"rounded"}
    assert listed["rounded"].severity is Severity.NOTE
    rows[0].update(edv_ml=10.1)
    assert "ef_disagrees" in codes(rows), "one value with a decimal: the collection does not round"


def test_a_column_of_fractions(rows):
    for row in rows[:4]:
        row.update(ef_percent=0.6)
    assert codes(rows) == {"ef_fraction": 4}


def test_swapped_volumes_are_not_reported_twice(rows):
    rows[0].update(edv_ml=40.0, esv_ml=100.0, ef_percent=60.0)
    assert codes(rows) == {"esv_above_edv": 1}


def test_a_collection_without_ef_is_a_note_and_one_that_lost_them_an_error(rows):
    for row in rows:
        row.update(ef_percent=None, edv_ml=None, esv_ml=None)
    assert codes(rows) == {"collection_without_ef": 2}
    assert codes(rows, has_ef=lambda name: False) == {"collection_without_ef": 2}
    listed = found(rows, has_ef=lambda name: name == "made-up")
    assert listed["no_ef_at_all"].examples == ("made-up",)
    assert listed["no_ef_at_all"].count == 4
    assert listed["no_ef_at_all"].severity is Severity.ERROR


def test_a_patient_of_two_collections_is_two_patients(rows):
    rows[0].update(patient="1", split="train")
    rows[-1].update(patient="1", split="test")
    assert codes(rows) == {}


def test_a_file_under_two_names(rows):
    rows.append(rows[0] | {"item": "again"})
    listed = found(rows)
    assert set(listed) == {"same_file_twice"}
    assert listed["same_file_twice"].examples == ("c0.avi (c0, again)",)


def test_files_that_cannot_be_read(rows, root):
    (root / "c0.avi").write_bytes(b"")
    (root / "c1.avi").write_text("no video at all")
    data = (root / "c2.avi").read_bytes()
    (root / "c2.avi").write_bytes(data[:-300])
    (root / "s0_ED_gt.png").unlink()
    (root / "s0_ES_gt.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (root / "s1_ES_gt.png").write_bytes((root / "s1_ES_gt.png").read_bytes()[:-9])
    assert codes(rows) == {"unreadable": 2, "cut_off": 1, "missing_mask": 1, "unreadable_mask": 2}


def test_a_root_that_is_gone_is_one_finding(rows):
    for row in rows[:4]:
        row["root"] = "/no/such/folder"
    listed = found(rows, decode=decode_row)
    assert set(listed) == {"missing_root"}
    assert listed["missing_root"].examples == ("/no/such/folder",)


def test_a_mask_of_another_size(rows, root):
    cv2.imwrite(str(root / "s0_ED_gt.png"), np.zeros((SIZE, SIZE + 1), np.uint8))
    listed = found(rows)
    assert set(listed) == {"mask_size_differs"}
    assert listed["mask_size_differs"].examples == ("s0_ED (image 64 x 64, mask 65 x 64)",)


def test_a_still_without_mask_among_those_with(rows):
    rows[-1]["mask_path"] = None
    assert codes(rows) == {"no_mask": 1}


def test_examples_are_few_and_the_count_is_whole(tmp_path):
    many = [clip_row(tmp_path, f"c{i}") for i in range(30)]
    finding = found(many)["missing_file"]
    assert (finding.count, len(finding.examples)) == (30, EXAMPLES)


def test_errors_come_first(rows):
    rows[0].update(frame_rate_hz=None)
    rows[1].update(width_px=9)
    rows[2].update(path="none.avi")
    assert [f.severity for f in check_manifest(make_manifest(rows))] == [
        Severity.ERROR,
        Severity.WARNING,
        Severity.NOTE,
    ]


def test_decoding_finds_damage_that_a_header_hides(rows, root):
    data = bytearray((root / "c0.avi").read_bytes())
    start = data.index(b"movi") + 4
    data[start:] = bytes(len(data) - start)
    (root / "c0.avi").write_bytes(data)
    assert codes(rows) == {}
    assert set(codes(rows, decode=decode_row)) <= {"undecodable", "incomplete"}
    assert codes(rows, decode=decode_row)


def test_decoding_finds_copies_under_other_names(rows, root):
    for name, source, split in (("d0", "c0", "train"), ("d1", "c1", "test")):
        (root / f"{name}.avi").write_bytes((root / f"{source}.avi").read_bytes())
        rows.append(clip_row(root, name, split=split))
    assert codes(rows) == {}
    listed = found(rows, decode=decode_row)
    assert {code: f.examples for code, f in listed.items()} == {
        "same_picture_in_two_splits": ("c1 = d1",),
        "same_picture": ("c0 = d0",),
    }


def test_many_copies_of_one_image_are_one_group(rows):
    rows = [rows[0] | {"item": f"c{i}", "path": f"{i}.avi"} for i in range(9)]
    for row in rows:
        (Path(row["root"]) / row["path"]).write_bytes((Path(row["root"]) / "c0.avi").read_bytes())
    listed = found(rows, decode=decode_row)
    assert listed["same_picture"].examples == ("c0 = c1 = c2 and 6 more",)


def test_decoding_finds_phases_that_masks_contradict(rows, root):
    rows += still_rows(root, "s9", radii=(14, 20), seed=9)
    cv2.imwrite(str(root / "s0_ED_gt.png"), ventricle(0) * 0)
    listed = found(rows, decode=decode_row)
    assert listed["swapped_masks"].examples == ("s0 A4C", "s9 A4C")
    assert listed["mask_without_ventricle"].examples == ("s0_ED",)


def test_decoding_finds_masks_that_are_none(rows, root):
    cv2.imwrite(str(root / "s0_ED_gt.png"), np.full((SIZE, SIZE, 3), (1, 2, 3), np.uint8))
    assert codes(rows, decode=decode_row) == {"undecodable_mask": 1}


def test_black_images_are_reported_and_are_no_copies_of_each_other(rows, root):
    for name in ("c0", "c1"):
        write_avi(root / f"{name}.avi", np.zeros((20, SIZE, SIZE), np.uint8))
    assert codes(rows, decode=decode_row) == {"black": 2}


def mask_of_clip(row) -> Decoded:
    sizes = tuple(range(100, 80, -1)) if row["item"] == "c0" else tuple(range(80, 100))
    return Decoded(20, SIZE, SIZE, row["item"], mask_shape=(20, SIZE, SIZE), lv_px=sizes)


def test_masks_of_a_clip_at_its_ed_and_es_frames(rows):
    listed = found(rows[:2], decode=mask_of_clip)
    assert {code: f.examples for code, f in listed.items()} == {"swapped_masks": ("c1 (ED 2, ES 11)",)}


def test_what_was_decoded_is_held_against_the_manifest(rows):
    def decode(row):
        if row["item"] == "c3":
            raise VideoError("x")
        return Decoded(18, SIZE, 60, row["item"], mask_shape=(17, SIZE, 60), lv_px=(1,) * 17)

    assert codes(rows[:4], decode=decode) == {
        "undecodable": 1,
        "frames_decoded_differ": 3,
        "size_decoded_differs": 3,
        "mask_frames_differ": 3,
    }


def test_decoding_goes_on_beside_what_it_waits_for(rows):
    barrier = threading.Barrier(2, timeout=300)

    def decode(row):
        barrier.wait()
        return Decoded(20, SIZE, SIZE, row["item"])

    assert codes(rows[:4], decode=decode) == {}, "two at once, or the barrier would have broken"


def test_a_disk_that_fails_is_no_bug(rows, monkeypatch):
    def broken(self, *args, **kwargs):
        raise OSError(errno.EIO, "Input/output error", str(self))

    monkeypatch.setattr(Path, "open", broken)
    assert codes(rows[:2]) == {"unreadable": 2}


def test_progress_counts_headers_and_decoding(rows):
    seen: list[tuple[int, int]] = []
    check_manifest(
        make_manifest(rows), decode=decode_row, progress=lambda done, total: seen.append((done, total))
    )
    assert seen[-1] == (2 * len(rows), 2 * len(rows))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_pixel_that_differs_is_no_copy(rows, root):
    rows.append(clip_row(root, "d0"))
    pictures = frames(20, 0)
    pictures[7, :8, :8] = 255
    write_avi(root / "d0.avi", pictures)
    assert codes(rows, decode=decode_row) == {}


@pytest.mark.realdata
def test_camus_stills_are_sound(camus_root):
    manifest = find_reader("camus").read(camus_root, None).manifest
    some = manifest.filter(manifest["patient"].is_in(manifest["patient"].unique().sort().head(6)))
    assert len(some) > 20
    assert check_manifest(some, decode=decode_row, has_ef=lambda _: True) == ()
