from pathlib import Path

import pytest

from lvef.service import settings as module
from lvef.service.settings import ServiceSettings, default_folder


@pytest.mark.parametrize(
    ("cores", "workers", "threads", "expected"),
    [
        (2, 0, 0, (2, 1)),
        (1, 0, 0, (1, 1)),
        (16, 0, 0, (4, 4)),
        (2, 1, 0, (1, 2)),
        (2, 4, 0, (4, 1)),
        (2, 2, 3, (2, 3)),
    ],
)
def test_cores_are_shared_out(monkeypatch, cores, workers, threads, expected):
    monkeypatch.setattr("lvef.inference.session.available_threads", lambda: cores)
    settings = ServiceSettings(workers=workers, threads=threads)
    assert (settings.n_workers, settings.n_threads) == expected


def test_the_folder_is_where_the_system_has_state(monkeypatch, tmp_path):
    monkeypatch.setattr(module.sys, "platform", "linux")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "lvef" / "service"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_folder() == tmp_path / ".local" / "state" / "lvef" / "service"
    monkeypatch.setattr(module.sys, "platform", "darwin")
    assert default_folder().parts[-2:] == ("lvef", "service")
    monkeypatch.setattr(module.sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert default_folder() == tmp_path / "lvef" / "service"
    assert ServiceSettings(data=Path("x")).folder == Path("x")
