"""Files in, the EF of ``lvef measure`` out: each kind of file, several at once, stills, a study, samples, wrong files."""

from __future__ import annotations

import csv
import io
import json
import zipfile

import pytest

from lvef.core.wording import ef_text
from lvef.io.avi import encode_motion_jpeg
from lvef.measure.pipeline import Measurer
from tests.bombs import BOMBS
from tests.webapp import driver
from tests.webapp.driver import all_ended, hook, measured, wait_items
from tests.webapp.page_files import CINE, cine_frames, clip_of_every_kind, still_pair, wrong_files
from tests.webapp.serving import NAMES

pytestmark = pytest.mark.browser

CLOSE = {"abs": 1e-3}


@pytest.fixture(scope="module")
def measurer():
    return Measurer()


@pytest.fixture(scope="module")
def cine(measurer):
    return measurer.measure(CINE)[0]


def test_each_kind_of_file_in_list_csv_and_zip(visitors, served, measurer, tmp_path):
    files = clip_of_every_kind(tmp_path)
    tab = visitors.open(served)
    driver.choose(tab, files)
    found = wait_items(tab, lambda items: len(items) == len(files) and all_ended(items))
    expected = {file.name: measurer.measure(file)[0].ef_percent for file in files}
    assert {item["name"]: item["ef_percent"] for item in found} == pytest.approx(expected, **CLOSE)

    tab.goto(f"{served.address}#/batch")
    table = tab.locator("table:visible")
    table.locator("tbody tr").nth(len(files) - 1).wait_for()
    text = table.inner_text()
    assert all(name in text and ef_text(ef) in text for name, ef in expected.items())

    rows = list(csv.DictReader(io.StringIO(results(tab, "csv").decode("utf-8-sig"))))
    assert [row["path"] for row in rows] == [item["name"] for item in found]
    assert [float(row["ef_percent"]) for row in rows] == pytest.approx(
        [item["ef_percent"] for item in found], **CLOSE
    )
    archive = zipfile.ZipFile(io.BytesIO(results(tab, "zip")))
    assert archive.testzip() is None
    inside = [
        json.loads(archive.read(name)) for name in archive.namelist() if name.endswith("measurement.json")
    ]
    assert {one["source"]: one["ef_percent"] for one in inside} == pytest.approx(expected, **CLOSE)
    packed = [
        list(csv.DictReader(io.TextIOWrapper(archive.open(n), "utf-8-sig")))
        for n in archive.namelist()
        if n.endswith("results.csv")
    ]
    assert packed == [rows]


def results(tab, kind: str) -> bytes:
    return driver.follow_download(tab, tab.locator(f'a[href$="api/results.{kind}"]:visible').first)


def test_a_row_opens_its_item_and_the_filter_hides_others(visitors, served, tmp_path):
    names = ["first.dcm", "second.dcm"]
    for name in names:
        (tmp_path / name).write_bytes(CINE.read_bytes())
    tab = visitors.open(served)
    driver.choose(tab, [tmp_path / name for name in names])
    found = {
        item["name"]: item for item in wait_items(tab, lambda items: len(items) == 2 and all_ended(items))
    }
    tab.goto(f"{served.address}#/batch")
    rows = tab.locator("table:visible tbody tr")
    rows.nth(1).wait_for()
    search = tab.locator("input[type=search]:visible")
    search.fill("second")
    rows.nth(1).wait_for(state="detached")
    assert "second.dcm" in rows.first.inner_text()
    rows.first.get_by_text("second.dcm").click()
    assert driver.shown_id(tab) == found["second.dcm"]["id"]
    measured(tab)


def test_stills_the_wrong_way_round_offer_to_swap(visitors, served, measurer, cine, tmp_path):
    ed, es = still_pair(tmp_path, cine.ed_frame, cine.es_frame)
    expected = measurer.measure_pair(ed, es)[0].ef_percent
    tab = visitors.open(served)
    # Named the wrong way round, as it happens.
    wrong = [ed.rename(tmp_path / "heart_es.png"), es.rename(tmp_path / "heart_ed.png")]
    driver.drop(tab, wrong)
    hook(tab, "swap").wait_for()
    found = driver.detail(tab)
    assert found["kind"] == "stills" and found["swap"] and found["ef_percent"] is None
    hook(tab, "swap").click()
    assert measured(tab)["ef_percent"] == pytest.approx(expected, **CLOSE)
    assert not driver.detail(tab)["swap"]


def test_a_study_of_two_views(visitors, served, measurer, phantom_file, tmp_path):
    four, two = tmp_path / "heart_a4c.avi", tmp_path / "heart_a2c.dcm"
    four.write_bytes(phantom_file.read_bytes())
    two.write_bytes(CINE.read_bytes())
    expected = measurer.measure_biplane(four, two)[0]
    tab = visitors.open(served)
    tab.locator('[data-focus="kind-study"]').check(force=True)
    for i, file in enumerate((four, two)):
        driver.choose(tab, [file], f"slot-{i}")
    found = measured(tab)
    assert found["ef_percent"] == pytest.approx(expected.ef_percent, **CLOSE)
    assert {part: found["by_part"][part]["ef_percent"] for part in found["parts"]} == pytest.approx(
        {str(view): ef for view, ef in expected.single_plane.items()}, **CLOSE
    )


def test_each_view_of_a_study_gets_a_scale_and_the_study_millilitres(
    visitors, served, phantom_file, tmp_path
):
    four, two = tmp_path / "heart_a4c.avi", tmp_path / "heart_a2c.avi"
    four.write_bytes(phantom_file.read_bytes())
    two.write_bytes(encode_motion_jpeg(cine_frames(), 30.0))
    tab = visitors.open(served)
    tab.locator('[data-focus="kind-study"]').check(force=True)
    for i, file in enumerate((four, two)):
        driver.choose(tab, [file], f"slot-{i}")
    found = measured(tab)
    assert [one["part"] for one in found["scale"]["parts"]] == ["A4C", "A2C"]
    hook(tab, "scale").click()
    for view, length in (("A4C", "150"), ("A2C", "140")):
        tab.locator(f'[data-focus="scale-{view}"]').check(force=True)
        tab.locator("dialog svg.ruler").wait_for()
        tab.locator("#scale-length").fill(length)
    hook(tab, "scale-use").click()
    tab.locator(".main-values dd").get_by_text(" ml").first.wait_for()
    after = measured(tab)
    assert {one["part"]: one["length_mm"] for one in after["scale"]["parts"]} == {"A4C": 150, "A2C": 140}
    assert after["result"]["edv_ml"] > after["result"]["esv_ml"] > 0
    assert all(part["edv_ml"] > part["esv_ml"] for part in after["by_part"].values())


def test_samples(visitors, served, cine):
    tab = visitors.open(served)
    driver.sample(tab, "cine")
    assert measured(tab)["ef_percent"] == pytest.approx(cine.ef_percent, **CLOSE)


def test_wrong_files_give_a_sentence_beside_a_good_one(visitors, served, tmp_path):
    files = wrong_files(tmp_path)
    tab = visitors.open(served)
    driver.choose(tab, [*files.values(), CINE])
    # The empty one is refused before it is sent.
    said = driver.wait_message(tab)
    assert files["empty"].name in said
    found = wait_items(tab, lambda items: len(items) == len(files) and all_ended(items))
    reasons = {item["name"]: item["reason"] for item in found if item["ef_percent"] is None}
    assert reasons.keys() == {file.name for name, file in files.items() if name != "empty"}
    assert [reason for reason in reasons.values() if not is_one_sentence(reason)] == []
    assert "olour" in reasons[files["doppler"].name]
    tab.goto(f"{served.address}#/batch")
    tab.locator("table:visible tbody tr").nth(len(found) - 1).wait_for()
    for item in found:
        tab.goto(f"{served.address}#/item/{item['id']}")
        tab.locator(f'h2[title="{item["name"]}"]:visible').wait_for()
        text = tab.locator("body").inner_text()
        assert "Traceback" not in text and "Musterfrau" not in text and str(served.temporary) not in text
        assert not [name for name in NAMES if name in text]


def is_one_sentence(text: str) -> bool:
    """Whether a text is a sentence, perhaps with its remedy as another; it may begin with a file's name."""
    return 15 < len(text) < 500 and text.endswith(".") and "--" not in text and "\n" not in text


def test_bombs_beside_a_clip(visitors, served, cine, tmp_path):
    files = [tmp_path / name for name in BOMBS]
    for file in files:
        file.write_bytes(BOMBS[file.name]())
    tab = visitors.open(served)
    driver.choose(tab, [*files, CINE])
    found = wait_items(
        tab, lambda items: any(i["ef_percent"] is not None for i in items) and all_ended(items)
    )
    good = [item for item in found if item["ef_percent"] is not None]
    assert [item["name"] for item in good] == [CINE.name]
    assert good[0]["ef_percent"] == pytest.approx(cine.ef_percent, **CLOSE)
    said = {item["name"]: item["reason"] for item in found if item not in good}
    said |= {name: text for text in driver.messages(tab) for name in BOMBS if name in text}
    assert said.keys() == BOMBS.keys()
    assert [text for text in said.values() if not is_one_sentence(text)] == []
