"""The page in Chromium: files in, the EF of ``lvef measure`` out, and nothing of anybody left behind."""

from __future__ import annotations

import base64
import csv
import io
import json

import av
import cv2
import numpy as np
import pytest

from lvef.core.wording import ef_interval_text, ef_text

pytest.importorskip("streamlit", reason='the page needs pip install "lvef[app]"')

from lvef.core.terms import View
from lvef.io.avi import encode_motion_jpeg
from lvef.io.uploads import LOCK_NAME
from lvef.measure.pipeline import Measurer
from lvef.webapp import samples
from tests.bombs import BOMBS
from tests.io.io_fabrication import PERSON
from tests.waiting import wait_until
from tests.webapp.page_files import CINE, clip_of_every_kind, named_dicom, still_pair, wrong_files

pytestmark = pytest.mark.browser

PATIENCE_MS = 180_000
NAMES = [part for word in PERSON for part in word.split("^")]


@pytest.fixture(scope="module")
def measurer():
    return Measurer()


@pytest.fixture(scope="module")
def measured(measurer):
    return measurer.measure(CINE)[0]


def drop(tab, files, zone: int = 0):
    zones = tab.locator(".stFileUploader:visible")
    zones.nth(zone).locator("input[type=file]").set_input_files([str(file) for file in files])


def ef_of(tab) -> float:
    answer = tab.locator("p.lvef-ef")
    answer.wait_for(timeout=PATIENCE_MS)
    return float(answer.get_attribute("data-ef"))


def opened(tab, name: str) -> None:
    """Open a list. A page that is still scrolling closes it again."""
    box = tab.get_by_role("combobox", name=name)
    box.wait_for(timeout=PATIENCE_MS)
    options = tab.get_by_role("option")
    for _ in range(10):
        box.scroll_into_view_if_needed()
        tab.wait_for_timeout(300)
        if not options.count():
            box.click()
        tab.wait_for_timeout(300)
        if options.count():
            return
    raise AssertionError(f"{name} does not open")


def choose(tab, name: str, option: str) -> None:
    """Choose from a list; again where a page that is still being told scrolled and closed it under the pointer."""
    from playwright.sync_api import TimeoutError as TimeLimitExceeded

    box = tab.get_by_role("combobox", name=name)
    for _ in range(6):
        opened(tab, name)
        try:
            tab.get_by_role("option", name=option).click(timeout=3000)
        except TimeLimitExceeded:
            continue
        for _ in range(20):
            if option in box.evaluate("e => e.value || e.textContent"):
                return
            tab.wait_for_timeout(100)
    raise AssertionError(f"{option} could not be chosen")


def settled(tab) -> None:
    """Wait until the clip is drawn and the page runs no more: a run in between may break a download off."""
    tab.locator("video").wait_for(timeout=PATIENCE_MS)
    tab.locator('[data-test-script-state="notRunning"]').first.wait_for(timeout=PATIENCE_MS)


def left(served) -> list:
    """Files in the page's folder for temporary ones."""
    return [path for path in served.temporary.rglob("*") if path.is_file() and path.name != LOCK_NAME]


def rows_of(tab, label: str) -> list[list[str]]:
    table = tab.get_by_role("region", name=label)
    table.wait_for(timeout=PATIENCE_MS)
    return [row.locator("td").all_inner_texts() for row in table.locator("tbody tr").all()]


def test_each_kind_of_file_gives_the_ef_of_the_command(visitor, measurer, tmp_path):
    files = clip_of_every_kind(tmp_path)
    tab = visitor()
    drop(tab, files)
    tab.get_by_role("region", name="Results").get_by_text(files[-1].name).wait_for(timeout=PATIENCE_MS)
    seen = {row[0]: row[1] for row in rows_of(tab, "Results")}
    found = {file.name: measurer.measure(file)[0] for file in files}
    assert seen == {name: ef_interval_text(m) for name, m in found.items()}
    expected = {name: m.ef_percent for name, m in found.items()}
    assert ef_of(tab) == pytest.approx(expected[files[-1].name], abs=1e-3)
    choose(tab, "Show", files[0].name)
    tab.locator(f'p.lvef-ef[data-ef="{expected[files[0].name]:.4f}"]').wait_for(timeout=PATIENCE_MS)


def test_the_files_to_take_along(visitor, measured, tmp_path):
    tab = visitor()
    drop(tab, [CINE])
    assert ef_of(tab) == pytest.approx(measured.ef_percent, abs=1e-3)
    settled(tab)

    def taken(label: str) -> bytes:
        with tab.expect_download(timeout=PATIENCE_MS) as waiting:
            tab.get_by_role("button", name=label).click()
        path = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(path)
        return path.read_bytes()

    values = json.loads(taken("All numbers, JSON"))
    assert values["ef_percent"] == pytest.approx(measured.ef_percent, abs=1e-6)
    assert values["source"] == CINE.name
    curve = list(csv.DictReader(io.StringIO(taken("Volume-time curve, CSV").decode())))
    assert len(curve) == measured.n_frames
    beats = list(csv.DictReader(io.StringIO(taken("Beats, CSV").decode())))
    assert [row["shown"] for row in beats].count("yes") == 1
    from pypdf import PdfReader

    pages = PdfReader(io.BytesIO(taken("Report, PDF"))).pages
    assert ef_text(measured.ef_percent) in pages[0].extract_text()
    report = taken("Report, HTML").decode()
    assert ef_text(measured.ef_percent) in report and "://" not in report.replace("http://www.w3.org", "")
    with av.open(io.BytesIO(taken("Video, MP4"))) as film:
        assert film.streams.video[0].codec_context.name == "h264"
        assert sum(1 for _ in film.decode(video=0)) == measured.n_frames


def test_curve_keys_and_clicks_show_frames(visitor, measured, tmp_path):
    # As scanners name their files.
    without_suffix = tmp_path / "IM00001"
    without_suffix.write_bytes(CINE.read_bytes())
    tab = visitor()
    drop(tab, [without_suffix])
    curve = tab.get_by_role("slider", name="Volume of the left ventricle over time")
    curve.wait_for(timeout=PATIENCE_MS)
    assert curve.get_attribute("aria-valuenow") == str(measured.ed_frame)
    before = tab.locator(".stage img").get_attribute("src")
    curve.press("Home")
    assert curve.get_attribute("aria-valuenow") == "0"
    assert tab.locator(".stage img").get_attribute("src") != before
    curve.press("ArrowRight")
    assert curve.get_attribute("aria-valuenow") == "1"
    box = curve.bounding_box()
    curve.click(position={"x": box["width"] - 15, "y": box["height"] / 2})
    assert curve.get_attribute("aria-valuenow") == str(measured.n_frames - 1)
    tab.get_by_role("button", name="Show ES").click()
    assert curve.get_attribute("aria-valuenow") == str(measured.es_frame)
    tab.get_by_role("slider", name="Frame", exact=True).press("ArrowRight")
    assert curve.get_attribute("aria-valuenow") == str(measured.es_frame + 1)
    assert f"Frame {measured.es_frame + 1} of" in tab.locator(".now").inner_text()


def test_two_clicks_and_a_length_give_millilitres(visitor, phantom_file):
    tab = visitor()
    drop(tab, [phantom_file])
    before = ef_of(tab)
    tab.get_by_text("Millilitres: draw a line of known length").click()
    image = tab.locator(".ruler svg")
    image.scroll_into_view_if_needed()
    tab.wait_for_timeout(500)
    box = image.bounding_box()
    for part in (0.1, 0.9):
        tab.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + part * box["height"])
    tab.get_by_label("Length of the line (mm)").fill("120")
    tab.keyboard.press("Enter")
    button = tab.get_by_role("button", name="Use this scale")
    button.and_(tab.locator(":enabled")).click()
    tab.get_by_role("button", name="Remove").wait_for()
    facts = tab.locator(".lvef-facts").first
    facts.get_by_text("Mean EDV").wait_for()
    assert ef_of(tab) == pytest.approx(before, abs=1e-3)
    tab.get_by_text("How it was measured").click()
    tab.get_by_text("(manual: line of 120 mm)").wait_for()


def test_another_beat_changes_the_answer_above_and_the_files(visitor, tmp_path):
    film = tmp_path / "phantom.avi"
    film.write_bytes(samples._video_bytes(samples.phantom_clip(View.A4C)))
    tab = visitor()
    drop(tab, [film])
    machine = ef_of(tab)
    choose(tab, "Beat", "Beat 2")
    tab.get_by_text("Corrected by hand.").wait_for(timeout=PATIENCE_MS)
    assert abs(ef_of(tab) - machine) > 0.1
    settled(tab)
    with tab.expect_download(timeout=PATIENCE_MS) as waiting:
        tab.get_by_role("button", name="All numbers, JSON").click()
    waiting.value.save_as(tmp_path / "m.json")
    values = json.loads((tmp_path / "m.json").read_text())
    assert values["ef_percent"] == pytest.approx(ef_of(tab), abs=1e-3)
    assert values["correction"]["changed"] == ["beat"]
    assert values["correction"]["machine_ef_percent"] == pytest.approx(machine, abs=1e-3)


def test_wrong_files_give_their_sentence_beside_a_good_one(visitor, tmp_path, served):
    files = wrong_files(tmp_path)
    tab = visitor()
    drop(tab, [*files.values(), CINE])
    tab.get_by_role("region", name="Results").get_by_text(CINE.name).wait_for(timeout=PATIENCE_MS)
    said = {row[0]: row[-1] for row in rows_of(tab, "Results")}
    assert "known" in said[files["text"].name]
    assert "0 bytes" in said[files["empty"].name]
    assert said[files["cut"].name].endswith(".") and len(said[files["cut"].name]) > 20
    assert "one frame" in said[files["still"].name] or "still" in said[files["still"].name]
    assert "olour" in said[files["doppler"].name]
    assert not any(str(served.temporary) in text or "lvef-page-" in text for text in said.values())
    assert "Traceback" not in tab.content() and "Musterfrau" not in tab.content()
    assert rows_of(tab, "Results")[-1][1] != "-"


def test_bombs_and_ten_files_at_once(visitor, measured, tmp_path):
    files = []
    for number in range(7):
        files.append(tmp_path / f"cine{number}.dcm")
        files[-1].write_bytes(CINE.read_bytes())
    for name, make in BOMBS.items():
        files.append(tmp_path / name)
        files[-1].write_bytes(make())
    tab = visitor()
    drop(tab, files)
    last = tab.get_by_role("region", name="Results").get_by_role("cell", name=files[-1].name, exact=True)
    last.wait_for(timeout=2 * PATIENCE_MS)
    seen = {row[0]: row for row in rows_of(tab, "Results")}
    assert seen.keys() == {file.name for file in files}
    for name, row in seen.items():
        assert row[1] == ("-" if name in BOMBS else ef_interval_text(measured))
        assert row[-1]


def test_two_gigabytes_are_refused_before_they_are_sent(visitor, tmp_path):
    vast = tmp_path / "vast.avi"
    with vast.open("wb") as file:
        file.truncate(2**31)
    tab = visitor()
    drop(tab, [vast])
    tab.get_by_text("200.0MB or smaller").or_(tab.get_by_text("200MB or smaller")).first.wait_for(
        timeout=PATIENCE_MS
    )


def test_no_name_of_a_patient_on_the_page(visitor, tmp_path):
    tab = visitor()
    drop(tab, [named_dicom(tmp_path)])
    ef_of(tab)
    tab.locator("video").wait_for(timeout=PATIENCE_MS)
    text = tab.content() + tab.evaluate(
        "() => [...document.querySelectorAll('*')].map(e => e.shadowRoot ? e.shadowRoot.innerHTML : '').join('')"
    )
    assert not [name for name in NAMES if name in text]
    source = tab.locator(".stage img").get_attribute("src")
    picture = cv2.imdecode(
        np.frombuffer(base64.b64decode(source.split(",")[1]), np.uint8), cv2.IMREAD_GRAYSCALE
    )
    # The name is burned in above the echo; the first tenth of the image must be black (JPEG ripples a little).
    assert picture[: len(picture) // 10].max() < 8 < picture.max()


def test_two_stills(visitor, measurer, measured, tmp_path):
    ed, es = still_pair(tmp_path, measured.ed_frame, measured.es_frame)
    tab = visitor("images")
    drop(tab, [ed], 0)
    tab.get_by_text("Now the end-systolic still.").wait_for(timeout=PATIENCE_MS)
    drop(tab, [es], 1)
    expected, _ = measurer.measure_pair(ed, es)
    assert ef_of(tab) == pytest.approx(expected.ef_percent, abs=1e-3)
    # Not dead zones of before beside them, while the page is still being told.
    assert tab.locator(".stFileUploader:visible").count() == 2
    # The other way round there is no EF, but a sentence.
    drop(tab, [es], 0)
    tab.get_by_text("Now the end-systolic still.").wait_for(timeout=PATIENCE_MS)
    drop(tab, [ed], 1)
    tab.get_by_text("larger at ES than at ED").wait_for(timeout=PATIENCE_MS)


def test_a_study_of_two_views(visitor, measurer, tmp_path):
    four, two = (tmp_path / f"{view}.avi" for view in ("four", "two"))
    four.write_bytes(samples._video_bytes(samples.phantom_clip(View.A4C)))
    two.write_bytes(CINE.read_bytes())
    tab = visitor("study")
    drop(tab, [four], 0)
    tab.get_by_text("Now the two-chamber clip.").wait_for(timeout=PATIENCE_MS)
    drop(tab, [two], 1)
    expected, _ = measurer.measure_biplane(four, two)
    assert ef_of(tab) == pytest.approx(expected.ef_percent, abs=1e-3)
    said = tab.get_by_label("Categories and volumes").inner_text()
    for view, ef in expected.single_plane.items():
        assert f"{view} alone" in said and ef_text(ef) in said


def test_all_networks_side_by_side(visitor, measured):
    tab = visitor("compare")
    drop(tab, [CINE])
    tab.get_by_text("No contour to check: small-video (experimental)").wait_for(timeout=PATIENCE_MS)
    rows = {row[0]: row for row in rows_of(tab, "Results")}
    assert rows["camus-seg"][1] == ef_text(measured.ef_percent)
    marked = [f"{name} (experimental)" for name in ("small-video", "two-stream-tuned", "volume-trace-tuned")]
    assert set(marked) <= rows.keys()
    assert "no contour" in rows[marked[0]][-1]
    tab.locator(".drawing svg path").nth(3).wait_for(state="attached", timeout=PATIENCE_MS)


def test_two_visitors_do_not_see_each_other(visitor, tmp_path):
    mine = tmp_path / "only-mine.dcm"
    mine.write_bytes(CINE.read_bytes())
    one = visitor()
    drop(one, [mine])
    ef_of(one)
    other = visitor()
    other.get_by_text("No clip to hand?").wait_for()
    assert "only-mine" not in other.content() and other.locator("p.lvef-ef").count() == 0
    one.get_by_role("button", name="Forget all").click()
    one.locator("p.lvef-ef").wait_for(state="detached", timeout=PATIENCE_MS)
    assert "only-mine" not in one.content()


def test_a_tab_closed_in_mid_work_leaves_nothing(visitor, served, phantom_clip, tmp_path):
    # Long enough to be caught at work.
    film = tmp_path / "long.avi"
    film.write_bytes(encode_motion_jpeg(np.concatenate([phantom_clip.clip.frames] * 30), 50.0))
    tab = visitor()
    drop(tab, [film])
    working = tab.get_by_text("Tracing").or_(tab.get_by_text("Reading"))
    # On a busy machine the browser may come to draw the page only when the answer is there: then that is when it closes.
    working.or_(tab.locator("p.lvef-ef")).first.wait_for(timeout=PATIENCE_MS)
    tab.close()
    wait_until(lambda: not left(served))


def test_everything_that_can_be_pressed_has_a_name(visitor):
    tab = visitor()
    tab.get_by_role("button", name="Real echo").click()
    ef_of(tab)
    tab.locator(".editor [data-handle='14']").first.wait_for(timeout=PATIENCE_MS)
    nameless = tab.evaluate(
        """() => {
          const found = [];
          const walk = (root) => {
            for (const e of root.querySelectorAll('*')) {
              if (e.shadowRoot) walk(e.shadowRoot);
              const pressed = e.matches('button, a[href], input:not([type=file]), [role=button], [role=slider]');
              const seen = e.offsetParent !== null || e.matches('svg');
              const name = e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.textContent.trim()
                || e.title || (e.labels && e.labels.length) || e.placeholder;
              if (pressed && seen && !name) found.push(e.outerHTML.slice(0, 160));
            }
          };
          walk(document);
          return found;
        }"""
    )
    assert nameless == []


def test_the_page_says_what_it_is_once(visitor):
    tab = visitor("about")
    tab.get_by_text("Please cite").wait_for(timeout=PATIENCE_MS)
    tab.locator(".lvef-foot").wait_for(timeout=PATIENCE_MS)
    text = tab.locator("body").inner_text()
    assert text.count("Not a medical device") == 1
    assert "10.1109/TMI.2019.2900516" in text and "CC-BY-NC-SA-4.0" in text


def test_nothing_is_left_on_the_disk_or_in_the_log(served):
    # Last of the module: what all the tests above left behind. A clip for a visitor who has gone may still be being drawn.
    wait_until(lambda: not left(served))
    log = served.log.read_text()
    assert "Traceback" not in log
    assert not [name for name in NAMES if name in log]
