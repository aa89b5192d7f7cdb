"""Tables of tracings: how many frames of a clip, whether it has them, and which is ED."""

from __future__ import annotations

from pathlib import Path

import pytest

from lvef.datasets.check import check_manifest
from lvef.datasets.manifest import make_manifest
from tests.datasets.check_folder import write

LINES = 21


def lines(name: str, frame: int, width: float) -> list[str]:
    """A long axis of 40 pixels and 20 chords of one width."""
    axis = [f"{name}.avi,30,10,30,50,{frame}"]
    chords = [
        f"{name}.avi,{30 - width / 2},{11 + 2 * i},{30 + width / 2},{11 + 2 * i},{frame}" for i in range(20)
    ]
    return axis + chords


@pytest.fixture
def rows(tmp_path):
    made = write(tmp_path / "set", n_patients=0)
    for row in made:
        row.update(tracing_path="VolumeTracings.csv", n_traced_frames=2)
    return made


def found(rows, tracings):
    path = Path(rows[0]["root"]) / "VolumeTracings.csv"
    path.write_text("\n".join(["FileName,X1,Y1,X2,Y2,Frame", *tracings]) + "\n")
    return {f.code: f for f in check_manifest(make_manifest(rows))}


def sound(rows):
    return [
        line
        for row in rows
        for frame, width in ((2, 20), (11, 12))
        for line in lines(row["item"], frame, width)
    ]


def test_sound_tracings(rows):
    assert found(rows, sound(rows)) == {}


def test_a_frame_behind_the_clip(rows):
    listed = found(rows, [*sound(rows), *lines("c1", 20, 9)])
    assert set(listed) == {"tracing_beyond_clip"}
    assert listed["tracing_beyond_clip"].examples == ("c1, frame 20 of 20",)


def test_a_line_less(rows):
    listed = found(rows, sound(rows)[:-1])
    assert set(listed) == {"other_line_count"}
    assert listed["other_line_count"].examples == (f"c3, frame 11: {LINES - 1}",)


def test_another_number_of_frames(rows):
    rows[1]["n_traced_frames"] = 3
    rows[2].update(n_traced_frames=0, tracing_path=None)
    listed = found(rows, [*sound(rows), *lines("c1", 15, 15)])
    assert set(listed) == {"traced_frames"}
    assert listed["traced_frames"].examples == ("c1 (3)", "c2 (0)")


def test_a_table_that_was_changed(rows):
    listed = found(
        rows, [line for line in sound(rows) if not (line.startswith("c1") and line.endswith(",11"))]
    )
    assert set(listed) == {"tracings_changed"}
    assert listed["tracings_changed"].examples == ("c1 (manifest 2, table 1)",)


def test_phases_that_the_traced_volumes_contradict(rows):
    rows[1].update(ed_frame=11, es_frame=2)
    listed = found(rows, sound(rows))
    assert {code: f.examples for code, f in listed.items()} == {"swapped_tracings": ("c1",)}


def test_a_table_that_is_gone_or_is_none(rows):
    listed = {f.code: f for f in check_manifest(make_manifest(rows))}
    assert {code: f.count for code, f in listed.items()} == {"missing_tracings": 4}
    (Path(rows[0]["root"]) / "VolumeTracings.csv").write_text("a,b\n1,2\n")
    assert {f.code: f.count for f in check_manifest(make_manifest(rows))} == {"unreadable_tracings": 4}
