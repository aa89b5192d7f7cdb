"""How Streamlit is started: nothing leaves the machine, and errors are sentences."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import urllib.request

import pytest

pytest.importorskip("streamlit", reason='the page needs pip install "lvef[app]"')

from lvef.core.errors import ConfigError, WeightsError
from lvef.webapp import server
from lvef.webapp.server import THEME, address, options
from lvef.webapp.settings import AppSettings
from tests.house import ROOT


def test_the_options_are_ones_that_streamlit_knows():
    from streamlit import config

    known = config.get_config_options()
    assert not [name for name in options(AppSettings()) if name not in known]


def test_nothing_is_reported_to_anybody():
    found = options(AppSettings())
    assert found["browser.gatherUsageStats"] is False
    assert found["server.fileWatcherType"] == "none"
    assert found["server.enableXsrfProtection"] is True and found["server.enableCORS"] is True
    assert found["server.headless"] is True and found["logger.hideWelcomeMessage"] is True
    assert found["client.showErrorDetails"] == "none" and found["client.showErrorLinks"] is False
    assert found["server.address"] == "127.0.0.1" and "localhost" in found["server.allowedHosts"]
    assert options(AppSettings(host="0.0.0.0"))["server.allowedHosts"] == []


def test_a_foreign_page_is_refused_without_asking_outside_who_we_are(monkeypatch):
    from streamlit import net_util
    from streamlit.web.server.server_util import is_url_from_allowed_origins

    asked = []
    monkeypatch.setattr(net_util, "_make_blocking_http_get", lambda url, **_: asked.append(url))
    monkeypatch.setattr(net_util, "get_internal_ip", lambda: None)
    monkeypatch.setattr(net_util, "get_external_ip", net_util.get_external_ip)
    assert not is_url_from_allowed_origins("http://foreign.example")
    assert asked, "Streamlit asks no more: the guard can go"
    asked.clear()
    server.disable_external_ip_lookup()
    assert not is_url_from_allowed_origins("http://foreign.example")
    assert not asked


def test_both_themes_are_there_and_none_is_forced():
    assert any(name.startswith("theme.dark.") for name in THEME) and any(
        name.startswith("theme.light.") for name in THEME
    )
    assert "theme.base" not in THEME and not [name for name in THEME if "font" in name.lower()]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_buttons_can_be_read(theme):
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one: str, other: str) -> float:
        high, low = sorted((luminance(THEME[f"theme.{theme}.{n}Color"]) for n in (one, other)), reverse=True)
        return (high + 0.05) / (low + 0.05)

    for ground in ("background", "secondaryBackground"):
        assert contrast("text", ground) >= 7
        assert contrast("link", ground) >= 4.5
        assert contrast("primary", ground) >= 4.5


def test_the_address_is_one_that_a_browser_finds():
    assert address(AppSettings()) == "http://127.0.0.1:8501/"
    assert address(AppSettings(host="0.0.0.0", port=80, base_path="echo")) == "http://localhost:80/echo/"
    assert address(AppSettings(host="::1")) == "http://[::1]:8501/"


def test_a_port_that_is_taken_is_a_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="--port 0"):
            server._with_port(AppSettings(port=taken.getsockname()[1]))
    assert server._with_port(AppSettings(port=0)).port > 0


def test_an_unknown_network_is_a_sentence_before_anything_starts():
    with pytest.raises(WeightsError, match="no-such"):
        server.run_app(AppSettings(port=0, weights="no-such"), print)


def test_it_prints_its_address_serves_below_its_path_and_stops(tmp_path):
    command = [
        sys.executable,
        "-m",
        "lvef.cli.main",
        "app",
        "--port",
        "0",
        "--no-open",
        "--base-path",
        "/echo/",
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as served:
        try:
            assert served.stdout is not None and served.stderr is not None
            address = served.stdout.readline().strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/echo/", address), served.stderr.read()
            with urllib.request.urlopen(address, timeout=120) as answer:
                assert answer.status == 200 and b"<html" in answer.read()
            with urllib.request.urlopen(address + "_stcore/health", timeout=120) as answer:
                assert answer.read() == b"ok"
        finally:
            served.terminate()
            assert served.wait(120) in (0, -15)
        assert "Traceback" not in served.stderr.read()
    assert list(tmp_path.iterdir()) == []
    assert not (ROOT / ".streamlit").exists()


@pytest.mark.slow
def test_it_stops_when_nobody_listens_any_more(tmp_path):
    command = [sys.executable, "-m", "lvef.cli.main", "app", "--port", "0", "--no-open"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    process.terminate()
    try:
        assert process.wait(120) in (0, -15)
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.stderr.close()
