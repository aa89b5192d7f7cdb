"""A command line in a folder of its own, without a network and without the internet."""

from __future__ import annotations

import socket

import pytest
from click.testing import CliRunner

from lvef.cli.main import main
from tests.cli.fakes import FakeMeasurer


@pytest.fixture(autouse=True)
def _no_sockets(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fake(monkeypatch):
    """The measurers that commands make."""
    monkeypatch.setattr("lvef.measure.pipeline.Measurer", FakeMeasurer)
    FakeMeasurer.made.clear()
    return FakeMeasurer.made


@pytest.fixture
def run(here):
    """Run a command line; stdout and stderr apart."""
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])
