"""Reading a store: windows, seconds, processes, damage."""

import errno
import json
import multiprocessing
import pickle
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lvef.core.errors import DataError
from lvef.transforms.sampling import Sampling
from lvef.transforms.store import ClipStore, hash_of, shard_name


def clip(i, n):
    return np.random.default_rng(i).integers(0, 256, (n, 4, 6), dtype=np.uint8)


LENGTHS = (9, 40, 1, 70)


def write(folder, **changes):
    """A store by hand: two files of frames, two clips in each."""
    folder.mkdir()
    rows = []
    for shard in (0, 1):
        offset = 5 * shard  # bytes that belong to nobody
        data = bytes(offset)
        for i in (2 * shard, 2 * shard + 1):
            frames = clip(i, LENGTHS[i])
            uneven = ";".join(f"{0.01 * k * k:.4f}" for k in range(LENGTHS[i])) if i == 0 else None
            rows.append(
                {
                    **{"item": f"c{i}", "shard": shard, "offset": len(data), "n_frames": LENGTHS[i]},
                    **{"height": 4, "width": 6, "frame_rate_hz": None if i == 2 else 50.0},
                    **{"frame_times_s": uneven, "sha256": hash_of(frames), "ef_percent": 50.0 + i},
                }
            )
            data += frames.tobytes()
        (folder / shard_name(shard)).write_bytes(data)
    pl.DataFrame(rows).write_parquet(folder / "index.parquet")
    info = {"schema": "lvef-store/1", "settings": {"kind": "clips"}, "complete": True, **changes}
    (folder / "store.json").write_text(json.dumps(info))
    return folder


@pytest.fixture
def store(tmp_path):
    return ClipStore(write(tmp_path / "store"))


def test_frames_are_what_was_written_and_cannot_be_changed(store):
    assert len(store) == 4
    assert store.items == ("c0", "c1", "c2", "c3")
    for i, n in enumerate(LENGTHS):
        assert (store.frames(f"c{i}") == clip(i, n)).all()
        assert (store.frames(i - 4) == clip(i, n)).all()
    with pytest.raises(ValueError, match="read-only"):
        store.frames(0)[0] = 0
    assert store.column("ef_percent") == [50.0, 51.0, 52.0, 53.0]


def test_windows(store):
    assert (store.window("c1", 3, 10, 2) == clip(1, 40)[3:23:2]).all()
    assert (store.window("c1", 0, 40) == clip(1, 40)).all()
    assert (store.window("c0", 7, 4) == clip(0, 9)[[7, 8, 7, 6]]).all()
    assert (store.window("c2", 0, 3) == clip(2, 1)[[0, 0, 0]]).all()
    for bad in ((40, 1, 1), (-1, 1, 1), (0, 0, 1), (0, 1, 0)):
        with pytest.raises(DataError, match="c1 has frames 0 to 39"):
            store.window("c1", *bad)


def test_windows_in_seconds(store):
    assert (store.sampled("c3", Sampling(8, 0.56)) == clip(3, 70)[0:29:4]).all()
    rng = np.random.default_rng(0)
    found = store.sampled("c3", Sampling(3, 0.4), rng)
    starts = [k for k in range(50) if (found == clip(3, 70)[[k, k + 10, k + 20]]).all()]
    assert len(starts) == 1
    assert store.times_s("c0")[3] == pytest.approx(0.09)
    assert store.times_s("c1")[-1] == pytest.approx(0.78)
    with pytest.raises(DataError, match="no motion"):
        store.sampled("c2", Sampling(3, 0.4))


def test_random_windows_come_from_everywhere(store):
    found = store.random_windows(np.random.default_rng(1), 300, frames=8, step=4, among=[1, 3])
    assert found.shape == (300, 8, 4, 6)
    first = {frame.tobytes() for frame in found[:, 0]}
    possible = {frame.tobytes() for i in (1, 3) for frame in clip(i, LENGTHS[i])[: LENGTHS[i] - 28]}
    assert first <= possible
    assert len(first) > 0.9 * len(possible)
    again = store.random_windows(np.random.default_rng(1), 300, frames=8, step=4, among=[1, 3])
    assert (again == found).all()
    assert store.random_windows(np.random.default_rng(1), 0).shape == (0, 32, 0, 0)
    with pytest.raises(DataError, match="no clip to draw"):
        store.random_windows(np.random.default_rng(1), 2, among=[])


def total(store):
    return int(store.random_windows(np.random.default_rng(5), 50, frames=4).sum())


@pytest.mark.parametrize("how", ["spawn", "forkserver"])
def test_several_processes(store, how):
    expected = total(store)
    with multiprocessing.get_context(how).Pool(2) as pool:
        assert pool.map(total, [store, store, store]) == [expected] * 3


def test_maps_do_not_travel(store):
    store.frames(3)
    assert len(pickle.dumps(store)) < 20_000
    assert (pickle.loads(pickle.dumps(store)).frames(3) == clip(3, 70)).all()


def test_verify_names_what_changed(store):
    assert all(good for _, good in store.verify())
    path = store.folder / shard_name(1)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    assert [item for item, good in ClipStore(store.folder).verify() if not good] == ["c3"]


def test_refusals(store, tmp_path):
    with pytest.raises(DataError, match="no clip 'x' among the 4"):
        store.frames("x")
    with pytest.raises(IndexError):
        store.frames(4)
    with pytest.raises(DataError, match="no column colour"):
        store.column("colour")
    with pytest.raises(DataError, match=r"store\.json: cannot be read .* a store was expected: make one"):
        ClipStore(tmp_path)
    with pytest.raises(DataError, match="is incomplete"):
        ClipStore(write(tmp_path / "half", complete=False))
    with pytest.raises(DataError, match="the layout lvef-store/9, lvef-store/1 was expected"):
        ClipStore(write(tmp_path / "other", schema="lvef-store/9"))


def test_a_store_that_the_system_cannot_read_is_not_called_none(store, monkeypatch):
    def lost(path, **_):
        raise OSError(errno.ESTALE, "Stale file handle", str(path))

    monkeypatch.setattr(Path, "read_bytes", lost)
    with pytest.raises(DataError, match=r"store.json: cannot be read \(stale file handle\)"):
        ClipStore(store.folder)


def test_a_file_that_is_lost_once_the_store_is_open(store):
    path = store.folder / shard_name(1)
    path.unlink()
    with pytest.raises(
        DataError, match=r"cannot be read \(no such file or directory\); check the disk, or run"
    ) as met:
        store.frames("c2")
    assert str(met.value).startswith(str(path))
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"cannot be read \(it is empty\)"):
        store.frames("c2")


def test_missing_and_cut_files(store):
    path = store.folder / shard_name(1)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"frames-00001.u8: has \d+ bytes"):
        ClipStore(store.folder)
    path.unlink()
    with pytest.raises(DataError, match="has 0 bytes"):
        ClipStore(store.folder)
    (store.folder / "index.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="index is missing or damaged"):
        ClipStore(store.folder)
