"""Requests drawn from the service's own description: whatever a client sends, the service has a sensible answer."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.waiting import wait_until

ANSWERS = {200, 201, 202, 204, 307, 400, 404, 405, 408, 413, 415, 422}


@pytest.mark.slow
def test_no_request_ends_in_an_error_of_the_server(quick):
    import schemathesis  # takes a second

    described = schemathesis.openapi.from_url(f"{quick.url}/openapi.json")
    seen = set()

    def holds(case):
        answer = case.call()
        seen.add((case.method, case.path))
        assert answer.status_code in ANSWERS, answer.text
        if answer.status_code >= 400:
            assert set(answer.json()) >= {"error"}
            assert set(answer.json()["error"]) == {"code", "message"}

    for found in described.get_all_operations():
        check = given(case=found.ok().as_strategy())(holds)
        settings(
            max_examples=5,
            derandomize=True,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )(check)()
    assert len(seen) == sum(
        len(methods) for methods in quick.client.get("/openapi.json").json()["paths"].values()
    )
    wait_until(lambda: not quick.jobs.upload_store.uploads())
