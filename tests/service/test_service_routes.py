import logging
import re
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from lvef.inference.card import experimental_text
from lvef.inference.catalogue import measuring_models
from lvef.service.middleware import LOG
from tests.service.fakes import BrokenWorker
from tests.waiting import wait_until


def test_models(quick):
    told = quick.client.get("/v1/models").json()
    assert told["default"] == "camus-seg"
    assert [m["experimental"] for m in told["models"] if m["name"] == told["default"]] == [False]
    entries = {entry.name: entry for entry in measuring_models()}
    assert [model["name"] for model in told["models"]] == list(entries)
    for model in told["models"]:
        card = entries[model["name"]].card
        assert (model["version"], model["kind"], model["licence"]) == (card.version, card.kind, card.licence)
        assert len(model["figures"]) == len(card.figures)
        assert [f["value"] for f in model["external"]] == [f.value for f in card.external]
        assert list(model).index("external") < list(model).index("figures")
        assert model["experimental"] is card.experimental
        assert model["experimental_text"] == experimental_text(card)
        assert str(entries[model["name"]].folder) not in str(model)


def test_healthy(quick):
    answer = quick.client.get("/healthz")
    assert answer.status_code == 200
    told = answer.json()
    assert (told["status"], told["workers"], told["queue"], told["trouble"]) == ("ready", 1, 0, "")


def test_not_ready_without_a_network(start, caplog):
    LOG.propagate = True
    with start(BrokenWorker, ready=False) as running:
        wait_until(lambda: running.jobs.pool.trouble)
        answer = running.client.get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (503, "starting")
    assert "install the weights again" in answer.json()["trouble"]
    assert "a worker cannot start: the network is damaged" in caplog.text


def test_metrics(start):
    with start() as running:
        running.send(b"ok", names=["MEIER.avi"])
        running.send(b"bad", names=["MEIER.avi"])
        running.send(b"crash")
        running.client.get("/v1/jobs/secret-id")
        running.client.get("/metrics-of-something-else")
        # A request is counted after its answer has gone out.
        wait_until(lambda: 'route="other",status="404"' in running.jobs.metrics.text()[0].decode())
        answer = running.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    text = answer.text
    for line in (
        'lvef_requests_total{method="POST",route="/v1/measure",status="200"} 1.0',
        'lvef_requests_total{method="POST",route="/v1/measure",status="422"} 1.0',
        'lvef_requests_total{method="POST",route="/v1/measure",status="500"} 1.0',
        'lvef_requests_total{method="GET",route="/v1/jobs/{job_id}",status="404"} 1.0',
        'lvef_requests_total{method="GET",route="other",status="404"} 1.0',
        'lvef_jobs{state="done"} 1.0',
        'lvef_jobs{state="failed"} 2.0',
        'lvef_jobs{state="running"} 0.0',
        'lvef_jobs_ended_total{how="ok"} 1.0',
        'lvef_jobs_ended_total{how="worker_died"} 1.0',
        "lvef_job_seconds_count 2.0",
        "lvef_queue_length 0.0",
        "lvef_worker_restarts 1.0",
        "lvef_results_kept 2.0",
    ):
        assert line in text, line
    assert not re.search("MEIER|secret|something", text)


def test_the_log_has_no_names(start, caplog):
    def ours():
        kept = [one for one in caplog.records if one.name.startswith(("lvef", "uvicorn", "fastapi"))]
        return [re.sub(r"\d+ ms", "N ms", one.getMessage()) for one in kept]

    def requests():
        return [line for line in ours() if line.startswith(("GET", "POST"))]

    with start() as running, caplog.at_level(logging.DEBUG):
        LOG.propagate = True
        running.send(b"ok", names=["MEIER_HANS.avi"], view="A4C")
        job = running.send(b"bug", names=["MEIER_HANS.avi"]).json()["jobs"][0]["id"]
        running.client.get(f"/v1/jobs/{job}?name=MEIER_HANS", headers={"User-Agent": "MEIER_HANS"})
        running.client.get("/MEIER_HANS")
        running.send(b"x" * (2**20 + 1), names=["MEIER_HANS.avi"])
        # A line is written after its answer has gone out.
        wait_until(lambda: len(requests()) == 5)
    assert requests() == [
        "POST /v1/measure 200 N ms",
        "POST /v1/measure 500 N ms",
        "GET /v1/jobs/{job_id} 200 N ms",
        "GET other 404 N ms",
        "POST /v1/measure 413 N ms",
    ]
    assert not [line for line in ours() if "MEIER" in line or job in line or "secret" in line]


class Links(HTMLParser):
    """Everything that a page would load or lead to."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("src", "href", "action", "data")]


def test_the_page_loads_nothing_from_outside(quick):
    page = quick.client.get("/docs")
    assert page.status_code == 200
    assert "'self'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    links = Links(page.text).found
    assert set(links) == {"docs/page.css", "docs/page.js", "openapi.json"}
    for link in links:
        text = quick.client.get(f"/{link}")
        assert text.status_code == 200
        assert not re.search(r"(?:https?:)?//[a-z0-9-]+\.[a-z]", text.text), link
    assert not re.search(r"https?:|style=|onload|<script>", page.text)
    assert quick.client.get("/").headers["location"] == "/docs"


def test_the_pages_that_load_from_elsewhere_are_off(quick):
    assert quick.client.get("/redoc").status_code == 404
    assert "swagger" not in quick.client.get("/docs").text.lower()


def test_every_route_is_described(quick):
    page = quick.client.get("/openapi.json").json()
    assert "Not a medical device" in page["info"]["description"]
    for path, methods in page["paths"].items():
        for method, route in methods.items():
            assert route["summary"], path
            assert all(answer.get("description") for answer in route["responses"].values()), (method, path)
    assert "security" not in page


def test_a_key_is_reported_of(start):
    with start(api_key="0123456789abcdef", root_path="/lvef") as running:
        page = running.client.get("/openapi.json").json()
        assert page["security"] == [{"key": []}, {"bearer": []}]
        assert page["paths"]["/healthz"]["get"]["security"] == []
        assert page["servers"] == [{"url": "/lvef"}]
        assert running.client.get("/").headers["location"] == "/lvef/docs"
        answer = running.send(b"ok")
        assert answer.json()["jobs"][0]["links"]["self"].startswith("/lvef/v1/jobs/")
        for path in ("/v1/models", "/lvef/v1/models"):
            assert running.client.get(path).status_code == 200
            assert running.client.get(path, headers={"X-API-Key": "wrong"}).status_code == 401
        assert running.client.get("/lvef/healthz", headers={"X-API-Key": ""}).status_code == 200


def check_accessibility(page):
    """axe-core finds nothing serious, wide and narrow, light and dark."""
    package = pytest.importorskip("axe_playwright_python", reason="needs pip install axe-playwright-python")
    page.evaluate((files(package) / "axe.min.js").read_text(encoding="utf-8"))
    for width in (1280, 360):
        for scheme in ("light", "dark"):
            page.set_viewport_size({"width": width, "height": 700})
            page.emulate_media(color_scheme=scheme)
            found = page.evaluate("() => axe.run(document)")
            assert len(found["passes"]) > 8
            serious = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
            assert [(one["id"], one["nodes"][0]["html"]) for one in serious] == [], (width, scheme)


@pytest.mark.browser
def test_the_page_in_a_browser(quick, tmp_path):
    import shutil

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("chromium is not installed")
    sync = pytest.importorskip("playwright.sync_api")
    with sync.sync_playwright() as play:
        context = play.chromium.launch_persistent_context(
            tmp_path,
            executable_path=chromium,
            headless=True,
            args=["--no-sandbox", "--disable-background-networking"],
        )
        page = context.pages[0]
        page.set_default_timeout(180_000)
        asked, complaints = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type == "error" else None
        )
        page.goto(f"{quick.url}/docs")
        page.wait_for_selector("section h2")
        assert page.locator("section").count() >= 20
        assert "curl" in page.locator("section pre").first.inner_text()
        check_accessibility(page)
        context.close()
    assert {url.removeprefix(quick.url).split("?")[0] for url in asked} <= {
        "/docs", "/docs/page.css", "/docs/page.js", "/openapi.json", "/favicon.ico",
    }  # fmt: skip
    assert not [text for text in complaints if "favicon" not in text and "404" not in text]
