"""Requests drawn from the service's own description: whatever a client sends, the service has a sensible answer."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings

schemathesis = pytest.importorskip("schemathesis")

schema = schemathesis.pytest.from_fixture("described")

ANSWERS = {200, 201, 202, 204, 307, 400, 404, 405, 408, 413, 415, 422}


@pytest.fixture
def described(quick):
    return schemathesis.openapi.from_url(f"{quick.url}/openapi.json")


@schema.parametrize()
@settings(
    max_examples=8,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_request_ends_in_an_error_of_the_server(case, quick):
    case.headers = {**(case.headers or {}), "Host": "localhost"}
    answer = case.call()
    assert answer.status_code in ANSWERS, answer.text
    if answer.status_code >= 400:
        assert set(answer.json()["error"]) == {"code", "message"}
    assert quick.jobs.spool.uploads() == [] or answer.status_code == 202
