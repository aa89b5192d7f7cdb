import sys

import pytest
from click.testing import CliRunner

from lvef.cli import cluster
from lvef.cli.main import main
from lvef.core.errors import DataError


@pytest.mark.parametrize(
    "words",
    ["measure other.avi", "measure", "evaluate dataset", "synthesize phantom", "data prepare clips"],
)
def test_a_file_taken_for_the_address_is_named(tmp_path, words):
    clip = str(tmp_path / "clip.avi")
    result = CliRunner().invoke(main, [*words.split(), "--ray", clip])
    assert result.exit_code == 2
    assert f"--ray took {clip} as the address of a cluster: write --ray after the files" in result.stderr


@pytest.mark.parametrize(
    "address",
    ["", "host", "host:", "host:abc", ":6379", "http://host:1", "ray://host:1", "host:1:2", "a b:1"],
)
def test_what_is_no_address_is_a_usage_error(tmp_path, address):
    result = CliRunner().invoke(main, ["measure", str(tmp_path), "--ray", address])
    assert result.exit_code == 2
    assert f"--ray took {address} as the address of a cluster" in result.stderr


@pytest.mark.parametrize(
    "address", ["auto", "local", "head:6379", "10.0.0.1:6379", "[::1]:6379", "node-1.site.org:1"]
)
def test_addresses_are_taken(address):
    assert cluster._address(None, None, address) == address


def test_pairs_are_not_measured_on_a_cluster(tmp_path):
    result = CliRunner().invoke(main, ["measure", "--ed", "a.png", "--es", "b.png", "--ray"])
    assert result.exit_code == 2
    assert "--ray measures files, folders, lists and URLs: give PATH." in result.stderr


def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch):
    from lvef.core.errors import MissingExtraError

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r'pip install "lvef\[ray\]"'), cluster.ray_pool("auto", 1.0):
        pass


def test_without_the_option_there_is_no_pool():
    with cluster.ray_pool(None, 1.0) as pool:
        assert pool is None


def test_defaults_are_those_of_the_pool():
    from lvef.distributed import cluster as there
    from lvef.distributed.pool import MEMORY_GB

    assert (cluster.LOCAL, cluster.MEMORY_GB) == (there.LOCAL, MEMORY_GB)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["s3://bucket/clips"], "s3://bucket/clips is a URL: --ray reads and writes object storage"),
        (
            ["{clip}", "-o", "gs://bucket/out"],
            "gs://bucket/out is a URL: --ray reads and writes object storage",
        ),
        (["{folder}/list.csv"], "list.csv is a list of clips: --ray measures lists"),
        (["{folder}/list.parquet"], "list.parquet is a list of clips: --ray measures lists"),
        (["{clip}", "--job", "mine"], "--job belongs to --ray"),
        (["{clip}", "--worker-memory", "2"], "--worker-memory belongs to --ray"),
    ],
)
def test_what_only_a_cluster_takes_is_refused_without_one(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    places = {"clip": tmp_path / "clip.avi", "folder": tmp_path}
    result = CliRunner().invoke(main, ["measure", *(word.format(**places) for word in words)])
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("given", "expected"), [([], 1), (["--threads", "3"], 3)])
def test_a_worker_takes_the_threads_that_are_reserved_for_it(given, expected, tmp_path, monkeypatch):
    sent = []

    def send(ray, worker_memory, *, threads, prepare, **_):
        sent.append((threads, prepare.args[0].threads))
        raise DataError("sent")

    monkeypatch.setattr("lvef.cli.measure.ray_pool", send)
    (tmp_path / "clip.avi").write_bytes(b"")
    result = CliRunner().invoke(main, ["measure", str(tmp_path), *given, "--ray"])
    assert (result.exit_code, sent) == (1, [(expected, expected)])


def test_a_folder_that_is_named_as_a_list_is_a_folder(tmp_path):
    (tmp_path / "study.csv").mkdir()
    result = CliRunner().invoke(main, ["measure", str(tmp_path / "study.csv"), "-o", str(tmp_path / "out")])
    assert "is a list of clips" not in result.stderr
    assert result.exit_code == 1
