"""Tables, verdicts and images of a comparison whose outcome is known."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from lvef.core.terms import Phase
from lvef.evaluation.plots.style import WIDTH_PX
from studies.appearance.comparison import AS_DELIVERED, compare, measure_separability, samples_csv, spread
from studies.appearance.measures import group_of
from studies.appearance.plots import COLOURS, histograms_png, profiles_png, sheets
from studies.appearance.samples import ANIMATED, PHANTOM, REAL, samples_of_clip
from studies.appearance.tables import SHORT_TABLE, decimals, tables_md, to_values
from tests.evaluation.drawing import count, pixels
from tests.studies.appearance.hearts import cine

pytestmark = pytest.mark.slow

N = 12


def hearts(kind, wall, seed):
    """Samples of clips; the wall's grey level varies by 12 from heart to heart."""
    found = []
    for i in range(N):
        rng = np.random.default_rng([seed, i])
        clip = cine(f"{kind}{i}", rng, n=8, wall=wall + 12 * rng.standard_normal())
        found += samples_of_clip(kind, clip, 112)
    return found


@pytest.fixture(scope="module")
def samples():
    """Animated stills made as the real ones are; phantoms with a much brighter wall. Real images are stills."""
    real = [
        replace(s, measures={k: v for k, v in s.measures.items() if not k.endswith("correlation")})
        for s in hearts(REAL, 120, 1)
    ]
    return [*real, *hearts(PHANTOM, 180, 2), *hearts(ANIMATED, 120, 3)]


@pytest.fixture(scope="module")
def rows(samples):
    return compare(samples, [s for s in samples if s.kind == REAL])


@pytest.fixture(scope="module")
def separabilities(samples, rows):
    return measure_separability(samples, rows)


def test_spread_is_numpys_and_leaves_out_what_is_not_known():
    values = np.append(np.arange(101.0), np.nan)
    found = spread(values)
    assert (found.low, found.median, found.high, found.n) == (5, 50, 95, 101)
    assert spread(np.array([np.nan])).n == 0


def test_a_row_a_phase_and_measure(samples, rows):
    names = list(dict.fromkeys(n for s in samples for n in s.measures))
    assert [(r.phase, r.measure) for r in rows] == [(p, n) for p in Phase for n in names]
    row = next(r for r in rows if (r.phase, r.measure) == (Phase.ED, "myocardium mean"))
    assert list(row.spreads) == [AS_DELIVERED, REAL, PHANTOM, ANIMATED]
    assert list(row.areas) == [PHANTOM, ANIMATED]
    values = [s.measures["myocardium mean"] for s in samples if s.kind == PHANTOM and s.phase == Phase.ED]
    assert row.spreads[PHANTOM].median == pytest.approx(np.median(values))
    assert row.areas[PHANTOM] == 1
    assert 0.2 < row.areas[ANIMATED] < 0.8


def test_what_a_still_lacks_has_no_area(rows):
    row = next(r for r in rows if r.measure == "cavity frame correlation")
    assert row.spreads[REAL].n == 0
    assert row.spreads[PHANTOM].n == N
    assert np.isnan(list(row.areas.values())).all()


def test_the_phantom_is_reported_by_its_wall_and_the_animated_still_is_not_reported(separabilities):
    phantom, moving = separabilities
    assert (phantom.kind, phantom.n_real, phantom.n_synthetic) == (PHANTOM, N, N)
    assert phantom.joint > 0.97
    assert phantom.by_group["grey levels"] > 0.97
    assert any(name == "myocardium p50" and area > 0.95 for name, area in phantom.loudest)
    assert "motion" not in phantom.by_group
    assert list(phantom.by_place) == ["cavity", "myocardium", "atrium", "endocardium", "fan"]
    assert phantom.by_place["myocardium"] > 0.97
    assert 0.1 < phantom.by_place["cavity"] < 0.9
    assert (moving.kind, moving.n_synthetic) == (ANIMATED, N)
    assert 0.15 < moving.joint < 0.85
    assert len(moving.loudest) < len(phantom.loudest)


def test_the_change_from_the_own_still(samples):
    real = [s for s in samples if s.kind == REAL]
    brighter = [
        replace(s, kind=ANIMATED, measures={k: v + 7 for k, v in s.measures.items()}) for s in real[: N // 2]
    ]
    strangers = [replace(s, kind=PHANTOM, patient=f"nobody {i}") for i, s in enumerate(real)]
    rows = compare([*real, *strangers, *brighter])
    row = next(r for r in rows if r.measure == "cavity p50")
    # Only a animated still has an own still, and only half of the patients have one.
    assert row.changes == {ANIMATED: pytest.approx(7)}
    assert "| phantom | AUC | animated still | AUC | change |" in tables_md(rows, [], 112)
    assert " | +7.0 |\n" in tables_md(rows, [], 112)


def test_real_images_alone_have_a_table_and_no_verdict(samples):
    real = [s for s in samples if s.kind == REAL]
    alone = compare(real)
    assert list(alone[0].spreads) == [REAL]
    assert measure_separability(real, alone) == []
    text = tables_md(alone, [], 112)
    assert "AUC |" not in text
    assert "gives them away" not in text


def test_the_tables_hold_every_measure_and_the_verdict(rows, separabilities):
    text = tables_md(rows, separabilities, 112)
    for row in rows:
        assert text.count(f"\n| {row.measure} |") == (3 if row.measure in SHORT_TABLE else 2)
    assert "| measure | real, as delivered | real | phantom | AUC | animated still | AUC |" in text
    assert "**phantom** (12 clips against 12 real patients" in text
    assert "nan" not in text
    lengths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert lengths == {8}


def test_values_for_json(rows, separabilities):
    found = json.loads(json.dumps(to_values(rows, separabilities, 112), allow_nan=False))
    assert found["schema"] == "lvef-appearance/1"
    assert found["size_px"] == 112
    assert [r["measure"] for r in found["rows"]] == [r.measure for r in rows]
    assert {r["phase"] for r in found["rows"]} == {"ED", "ES"}
    assert all(group_of(r["measure"]) == r["group"] for r in found["rows"])
    missing = next(r for r in found["rows"] if r["measure"] == "cavity frame correlation")
    assert missing["spreads"]["real"] == {"low": None, "median": None, "high": None, "n": 0}


def test_csv_has_a_line_an_image(samples):
    table = list(csv.DictReader(io.StringIO(samples_csv(samples))))
    assert [(r["kind"], r["name"], r["phase"]) for r in table] == [
        (s.kind, s.name, str(s.phase)) for s in samples
    ]
    assert float(table[0]["cavity mean"]) == pytest.approx(samples[0].measures["cavity mean"], abs=1e-4)
    assert table[0]["cavity frame correlation"] == ""


@pytest.mark.parametrize(
    ("measure", "expected"), [("cavity mean", 1), ("cavity cell axial mm", 2), ("fan black %", 2)]
)
def test_decimals(measure, expected):
    assert decimals(measure) == expected


def test_charts_show_every_kind_and_are_the_same_twice(samples):
    for draw in (histograms_png, profiles_png):
        found = draw(samples, heading="All of them")
        assert found == draw(samples, heading="All of them")
        image = pixels(found)
        assert image.shape[1] == WIDTH_PX
        for colour in COLOURS.values():
            assert count(image, colour, 40) > 100
        only_real = pixels(draw([s for s in samples if s.kind == REAL], heading="Real"))
        assert count(only_real, COLOURS[PHANTOM], 40) == 0


def test_sheets_have_a_row_a_kind_and_one_sheet_a_synthetic_kind(samples):
    few = [s for kind in (REAL, PHANTOM, ANIMATED) for s in [s for s in samples if s.kind == kind][:8]]
    found = sheets(few, 112)
    assert list(found) == ["sheet_ed.png", "sheet_es.png", "sheet_phantom.png", "sheet_animated_still.png"]
    # Three rows of four at one phase; two rows of ED and ES of four hearts.
    three, two = (pixels(found[name]).shape[0] for name in ("sheet_ed.png", "sheet_phantom.png"))
    assert three > two + 250


def test_charts_of_images_with_nothing_on_them(samples):
    blank = [
        replace(
            s,
            image=replace(s.image, grey=np.zeros_like(s.image.grey), labels=np.zeros_like(s.image.labels)),
        )
        for s in samples[:2]
    ]
    for draw in (histograms_png, profiles_png):
        assert pixels(draw(blank, heading="Nothing")).shape[1] == WIDTH_PX
    assert set(sheets(blank, 112)) == {"sheet_ed.png", "sheet_es.png"}
