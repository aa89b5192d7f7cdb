"""What every test may ask for."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]

# Shared machines are slow at times, so no test fails for its seconds; in CI the same examples are drawn every time.
PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("local", **PATIENT)
settings.register_profile("ci", **PATIENT, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


FEW_DRAWS = 40


def _draw(times: int) -> None:
    from lvef.stats import bootstrap

    for function in (bootstrap.interval, bootstrap.intervals):
        function.__kwdefaults__["resamples"] = times


@pytest.fixture(scope="session", autouse=True)
def _few_draws():
    """Bootstraps draw few times, which leaves every value but the intervals as it is."""
    _draw(FEW_DRAWS)


@pytest.fixture
def all_draws():
    """All draws, for tests that look at the intervals."""
    from lvef.stats.bootstrap import RESAMPLES

    _draw(RESAMPLES)
    yield
    _draw(FEW_DRAWS)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_user(tmp_path_factory):
    """Neither a config file nor variables of the user reach a test, or a process that it starts."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("LVEF_")]:
            patch.delenv(name)
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def camus_root() -> Path:
    """The CAMUS working part beside the repository; the test is skipped where it is not."""
    root = ROOT.parent / "shared" / "data" / "camus"
    if not (root / "database_nifti").is_dir():
        pytest.skip("the CAMUS collection is not beside the repository (../shared/data/camus)")
    return root


@pytest.fixture(scope="session")
def phantom_clip():
    """The phantom of ``lvef demo --phantom``, with its truth: A4C, 3 s at 50 Hz, sinus rhythm, EF 55 %."""
    from lvef.synthesis.phantom.render import sample_phantom

    return sample_phantom()


@pytest.fixture(scope="session")
def phantom_file(phantom_clip, tmp_path_factory) -> Path:
    """Its clip as an AVI file."""
    from lvef.stores.synthetic_files import write_video

    path = tmp_path_factory.mktemp("phantom") / "phantom.avi"
    write_video(path, phantom_clip)
    return path


class NetworkUsed(AssertionError):
    """Something tried to reach the network."""


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch):
    """Blocks every way out of this process, and fails the test even where the attempt was swallowed."""
    attempts: list[str] = []

    def refuse(*args: object, **_: object) -> None:
        target = next((a for a in args if not isinstance(a, socket.socket)), "?")
        attempts.append(repr(target))
        raise NetworkUsed(f"the network was to be used: {target!r}")

    for name in ("connect", "connect_ex", "sendto", "sendmsg"):
        if hasattr(socket.socket, name):
            monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("create_connection", "getaddrinfo", "gethostbyname"):
        monkeypatch.setattr(socket, name, refuse)
    # Another process would not be seen here.
    monkeypatch.setattr("lvef.io.isolation._possible", False)
    yield
    assert not attempts, f"the network was to be used: {', '.join(attempts)}"
