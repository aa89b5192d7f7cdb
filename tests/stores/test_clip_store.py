"""The writer: nothing written is lost, nothing half written is taken for whole."""

import numpy as np
import polars as pl
import pytest

from lvef.core.errors import ConfigError, DataError
from lvef.stores.clip_store import StoreWriter
from lvef.transforms.store import ClipStore, shard_name

SETTINGS = {"kind": "clips", "size": 4}


def frames(i, n=5):
    return np.full((n, 4, 4), i, np.uint8)


def fill(folder, items, **settings):
    writer = StoreWriter(folder, SETTINGS, **settings)
    for i in items:
        writer.add(f"c{i}", "s", frames(i), {"a": i})
    writer.close()


def finish(folder, **settings):
    writer = StoreWriter(folder, SETTINGS, **settings)
    rows = [
        {k: v for k, v in entry.items() if k not in ("stamp", "columns")}
        | {"frame_rate_hz": 50.0, "frame_times_s": None}
        for entry in writer.entries.values()
    ]
    writer.finish(pl.DataFrame(rows), {})
    writer.close()
    return ClipStore(folder)


def test_taken_up_where_it_stopped(tmp_path):
    fill(tmp_path / "s", range(3))
    fill(tmp_path / "s", range(3, 6))
    store = finish(tmp_path / "s")
    assert store.items == tuple(f"c{i}" for i in range(6))
    assert all((store.frames(i) == i).all() for i in range(6))
    assert all(good for _, good in store.verify())


def test_small_files_of_frames(tmp_path):
    fill(tmp_path / "s", range(3), shard_bytes=100)
    fill(tmp_path / "s", range(3, 6), shard_bytes=100)
    store = finish(tmp_path / "s", shard_bytes=100)
    assert len(list(store.folder.glob("*.u8"))) == 3
    assert all((store.frames(i) == i).all() for i in range(6))


def test_images_without_a_line_are_cut_off(tmp_path):
    fill(tmp_path / "s", range(2))
    with (tmp_path / "s" / shard_name(0)).open("ab") as file:
        file.write(b"x" * 33)
    fill(tmp_path / "s", [2])
    assert (tmp_path / "s" / shard_name(0)).stat().st_size == 3 * 80
    assert (finish(tmp_path / "s").frames("c2") == 2).all()


def test_a_line_that_was_cut_off_is_passed_over(tmp_path):
    fill(tmp_path / "s", range(3))
    journal = tmp_path / "s" / "finished.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    writer = StoreWriter(tmp_path / "s", SETTINGS)
    assert list(writer.entries) == ["c0", "c1"]
    writer.add("c3", "s", frames(3), {})
    writer.close()
    store = finish(tmp_path / "s")
    assert [int(store.frames(i)[0, 0, 0]) for i in store.items] == [0, 1, 3]


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_lines_without_their_images_are_forgotten_for_good(tmp_path, damage):
    fill(tmp_path / "s", range(3))
    path = tmp_path / "s" / shard_name(0)
    data = path.read_bytes()
    path.write_bytes(data[:200] if damage == "cut" else data[:-1] + b"\xff")
    writer = StoreWriter(tmp_path / "s", SETTINGS)
    assert not writer.holds("c2", "s")
    writer.add("c9", "s", frames(9), {})
    writer.close()
    again = StoreWriter(tmp_path / "s", SETTINGS)
    assert list(again.entries) == ["c0", "c1", "c9"]
    again.close()


def test_a_file_that_changed_does_not_hold_but_one_that_is_gone_does(tmp_path):
    fill(tmp_path / "s", [1])
    writer = StoreWriter(tmp_path / "s", SETTINGS)
    assert writer.holds("c1", "s")
    assert writer.holds("c1", "")
    assert not writer.holds("c1", "other")
    assert not writer.holds("c2", "")
    writer.close()


def test_two_writers_at_once_are_refused(tmp_path):
    first = StoreWriter(tmp_path / "s", SETTINGS)
    with pytest.raises(DataError, match="another run is writing there"):
        StoreWriter(tmp_path / "s", SETTINGS)
    first.close()
    StoreWriter(tmp_path / "s", SETTINGS).close()


def test_other_settings_and_other_folders_are_refused(tmp_path):
    fill(tmp_path / "s", [1])
    with pytest.raises(ConfigError, match="was begun with size 4, now it is 8"):
        StoreWriter(tmp_path / "s", {"kind": "clips", "size": 8})
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("x")
    with pytest.raises(DataError, match="give an empty or a new folder"):
        StoreWriter(tmp_path / "full", SETTINGS)
    (tmp_path / "s" / "store.json").write_text("[]")
    with pytest.raises(
        DataError, match=r"store\.json: .* lvef-store/1 was expected; give an empty or a new folder"
    ):
        StoreWriter(tmp_path / "s", SETTINGS)
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cannot be made or used"):
        StoreWriter(tmp_path / "file", SETTINGS)


def test_a_store_that_is_written_to_is_not_whole(tmp_path):
    fill(tmp_path / "s", [1])
    finish(tmp_path / "s")
    writer = StoreWriter(tmp_path / "s", SETTINGS)
    with pytest.raises(DataError, match="is incomplete"):
        ClipStore(tmp_path / "s")
    writer.close()


def test_a_full_disk_says_so(tmp_path, monkeypatch):
    writer = StoreWriter(tmp_path / "s", SETTINGS)

    class Full:
        def write(self, data):
            raise OSError(28, "No space left on device")

        def close(self):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer, "_file", Full())
    with pytest.raises(DataError, match="no space left on device"):
        writer.add("c1", "s", frames(1), {})
    writer.close()
