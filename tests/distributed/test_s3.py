"""Object storage by a real server of Amazon's protocol on this machine."""

import socket
import subprocess
import sys
import time
import urllib.request
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lvef.core.errors import DataError

pytest.importorskip("fsspec", reason="needs what make ray-env installs")
pytest.importorskip("pyarrow", reason="needs what make ray-env installs")
pytestmark = [pytest.mark.slow, pytest.mark.ray]

SERVER = Path(sys.prefix) / "s3server" / "bin" / "moto_server"


@pytest.fixture(scope="module")
def storage():
    """An empty bucket, named by variables as the storage of a site would be."""
    if not SERVER.is_file():
        pytest.skip("the S3 server is not installed: make ray-env")
    from lvef.distributed.storage import filesystem

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    server = subprocess.Popen(
        [str(SERVER), "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with pytest.MonkeyPatch.context() as patch:
        try:
            yield from _bucket(patch, port, server)
        finally:
            filesystem.cache_clear()
            server.kill()
            server.wait()


def _bucket(patch, port, server):
    from lvef.distributed.storage import filesystem

    patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    patch.setenv("AWS_ACCESS_KEY_ID", "testing")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    patch.setenv("AWS_REGION", "us-east-1")
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    filesystem.cache_clear()
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert server.poll() is None, "the server did not start"
        time.sleep(0.2)
    request = urllib.request.Request(f"http://127.0.0.1:{port}/archive", method="PUT")
    urllib.request.urlopen(request, timeout=60).close()
    yield


@pytest.fixture(scope="module")
def clips(storage, tmp_path_factory):
    """Three phantoms, a broken file and one that is no clip, here and in the bucket."""
    from lvef.distributed.storage import filesystem
    from lvef.io.avi import encode_motion_jpeg
    from lvef.synthesis.phantom.render import sample_phantom

    folder = tmp_path_factory.mktemp("clips")
    frames = sample_phantom().clip.frames[:60]
    for number in range(3):
        (folder / f"clip{number}.avi").write_bytes(
            encode_motion_jpeg(np.clip(frames, number, 255).astype(np.uint8), 50.0)
        )
    (folder / "broken.avi").write_bytes(b"RIFF nothing else")
    (folder / "notes.txt").write_text("no clip")
    for path in folder.iterdir():
        filesystem("s3").pipe_file(f"archive/clips/{path.name}", path.read_bytes())
    return folder


def measured(clips, out, **more):
    from lvef.distributed.archive import measure_archive
    from lvef.measure.batch import load_measurer
    from lvef.measure.options import MeasureOptions

    load = partial(load_measurer, MeasureOptions(precision="f32", threads=1))
    return measure_archive(clips, out, load, settings={"of": "a test"}, pool=None, job="test", **more)


def rows(out):
    import io

    from lvef.distributed.storage import ResultFolder

    folder = ResultFolder(f"{out}/job=test")
    names = [name for name in folder.files() if name.endswith(".parquet")]
    return pl.concat([pl.read_parquet(io.BytesIO(folder.read(name))) for name in names])


def test_an_archive_in_a_bucket_is_measured_as_here(clips, tmp_path):
    from lvef.distributed.archive import find_archive

    there = find_archive(["s3://archive/clips"])
    assert [clip.name for clip in there] == [
        f"s3://archive/clips/{name}" for name in ("broken.avi", "clip0.avi", "clip1.avi", "clip2.avi")
    ]
    found = measured(there, "s3://archive/results", commit_rows=2)
    assert measured(find_archive([clips]), tmp_path / "here").counts == found.counts
    assert found.exit_code == 1
    table = rows("s3://archive/results").sort("path")
    here = rows(tmp_path / "here").sort("path")
    same = [
        name
        for name in table.columns
        if name not in ("path", "reason", "key", "stamp", "seconds", "measurement")
    ]
    assert table.select(same).equals(here.select(same))
    assert not [
        text for text in (*table["reason"], *table["measurement"]) if "lvef-" in text and "tmp" in text
    ]
    # The same command again measures the failed one alone, and changes no row of another.
    again = measured(find_archive(["s3://archive/clips"]), "s3://archive/results")
    assert (again.resumed, again.counts) == (3, found.counts)
    after = rows("s3://archive/results").sort("path")
    assert after.drop("seconds", "measurement").equals(table.drop("seconds", "measurement"))


def test_a_clip_that_changed_is_measured_again(clips):
    from lvef.distributed.archive import find_archive
    from lvef.distributed.storage import filesystem

    url = "s3://archive/clips/clip0.avi"
    measured(find_archive([url]), "s3://archive/other")
    assert measured(find_archive([url]), "s3://archive/other").resumed == 1
    filesystem("s3").pipe_file("archive/clips/clip0.avi", (clips / "clip1.avi").read_bytes() + b"\0")
    assert measured(find_archive([url]), "s3://archive/other").resumed == 0
    assert rows("s3://archive/other")["path"].to_list() == [url]


def test_a_list_names_files_of_a_bucket(clips, tmp_path):
    from lvef.distributed.archive import find_archive

    (tmp_path / "list.csv").write_text(
        "root,path\ns3://archive/clips,clip1.avi\ns3://archive/clips,gone.avi\n"
    )
    found = find_archive([tmp_path / "list.csv"])
    assert [clip.name.rpartition("/")[2] for clip in found] == ["clip1.avi", "gone.avi"]
    result = measured(found, tmp_path / "out")
    assert result.counts == {"ok": 1, "failed": 1} or result.counts["failed"] == 1
    table = rows(tmp_path / "out").filter(pl.col("status") == "failed")
    assert table["reason"].to_list() == [
        "s3://archive/clips/gone.avi: there is no such file; check the name."
    ]


def test_what_is_not_there_is_one_sentence(storage):
    from lvef.distributed.archive import find_archive

    with pytest.raises(DataError, match="s3://archive/nothing: there is"):
        find_archive(["s3://archive/nothing"])


def test_no_temporary_file_stays(clips, tmp_path, monkeypatch):
    from lvef.distributed.storage import fetched

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with fetched("s3://archive/clips/clip2.avi") as path:
        assert path.read_bytes() == (clips / "clip2.avi").read_bytes()
        assert path.stat().st_mode & 0o077 == 0 or path.parent.stat().st_mode & 0o077 == 0
    assert not list(tmp_path.iterdir())
