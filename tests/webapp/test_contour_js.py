"""The geometry, the undo steps and the edits of the viewer, which have no DOM, run with node."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import lvef.webapp
from lvef.geometry.control_points import (
    APEX,
    N_CONTROL_POINTS,
    contour_of_control_points,
    crosses_itself,
    tracing_of_control_points,
)
from lvef.measure.correction import edit_from_dict, edit_to_dict, study_from_dict
from tests.webapp.node import NODE, run_node

STATIC = Path(lvef.webapp.__file__).parent / "static"
LAST = N_CONTROL_POINTS - 1
SIZE = [800, 600]

pytestmark = pytest.mark.skipif(
    NODE is None, reason="geometry of the viewer runs with node, which is not on this machine"
)


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """Runs a function body in node: ``m`` are the modules, ``input`` is the value given; what it returns comes back."""
    folder = tmp_path_factory.mktemp("js")
    # A module of the page has the ending .js, which node reads as another kind of module where no package says otherwise.
    (folder / "package.json").write_text('{"type": "module"}')
    for name in ("contour", "history", "edits", "saving"):
        shutil.copy(STATIC / f"{name}.js", folder)
    prologue = (
        'import { readFileSync } from "node:fs";\n'
        'import * as contour from "./contour.js";\nimport * as history from "./history.js";\n'
        'import * as edits from "./edits.js";\nimport * as saving from "./saving.js";\n'
        "const m = { contour, history, edits, saving };\n"
        "const input = JSON.parse(readFileSync(0, 'utf8'));\n"
    )

    return lambda body, value=None: run_node(folder, prologue, body, value)


def ventricles(count, seed=0):
    """Contours as a ventricle has them, leaning, bulging and of all sizes."""
    random, found = np.random.default_rng(seed), []
    angles = np.pi * np.arange(N_CONTROL_POINTS) / LAST
    while len(found) < count:
        length, width = random.uniform(80, 260), random.uniform(0.25, 0.5)
        bulge, lean = random.normal(0, 0.05, N_CONTROL_POINTS), random.uniform(-0.3, 0.3)
        x = -np.cos(angles) * length * width * (1.0 + 0.3 * np.sin(angles) + bulge)
        y = -np.sin(angles) * length
        points = np.stack([400 + x + lean * y, 420 + y + random.uniform(-8, 8, N_CONTROL_POINTS)], axis=1)
        if not crosses_itself(contour_of_control_points(points)):
            found.append(points)
    return found


def test_contour_is_that_of_python(node):
    cases = ventricles(60)
    made = node("return input.map(m.contour.contourOf);", [c.tolist() for c in cases])
    for points, contour in zip(cases, made, strict=True):
        assert np.abs(np.asarray(contour) - contour_of_control_points(points)).max() < 0.01


def test_crossing_is_that_of_python(node):
    random = np.random.default_rng(1)
    cases = [
        c + random.normal(0, spread, c.shape) for spread in (3, 15, 40) for c in ventricles(40, int(spread))
    ]
    lines = [contour_of_control_points(points) for points in cases]
    made = node("return input.map(m.contour.crossesItself);", [line.tolist() for line in lines])
    assert made == [crosses_itself(line) for line in lines]
    assert 10 < sum(made) < 110


def test_volume_is_that_of_the_disks(node):
    cases = ventricles(20, 2)
    body = "return input.map((p) => m.contour.volumeOf(m.contour.contourOf(p), p[m.contour.APEX], m.contour.baseOf(p)));"
    made = node(body, [c.tolist() for c in cases])
    for points, volume in zip(cases, made, strict=True):
        tracing = tracing_of_control_points(points)
        height = np.hypot(*(tracing.apex - tracing.mitral.mean(axis=0))) / len(tracing.chords)
        widths = np.hypot(*(tracing.chords[:, 1] - tracing.chords[:, 0]).T)
        assert volume == pytest.approx(np.pi / 4 * (widths**2).sum() * height, rel=0.01)


def test_neighbours_follow_smoothly(node):
    cases = [[c.tolist(), i] for c in ventricles(6, 3) for i in range(N_CONTROL_POINTS)]
    made = node("return input.map(([p, i]) => m.contour.weightsOf(p, i));", cases)
    for (_, index), weights in zip(cases, made, strict=True):
        assert weights[index] == 1
        assert all(0 <= w <= 1 for w in weights)
        assert (np.diff(weights[: index + 1]) >= -1e-12).all()
        assert (np.diff(weights[index:]) <= 1e-12).all()
        moved = [i for i, w in enumerate(weights) if w > 0]
        # Hinge points and apex move by their own drag alone, and nothing moves beyond them.
        assert not {0, APEX, LAST} & set(moved) - {index}
        assert max(abs(i - index) for i in moved) <= 6
        if index not in (0, 1, 6, APEX, 8, 13, LAST):
            assert len(moved) >= 3
        assert np.abs(np.diff(weights)).max() <= 1


def test_shift_moves_one_point(node):
    points = ventricles(1, 4)[0]
    body = "return m.contour.dragPoints(input, 4, [3, -2], { size: [800, 600], single: true });"
    made = node(body, points.tolist())
    moved = np.asarray(made["points"]) - points
    assert moved[4] == pytest.approx([3, -2])
    assert not np.delete(moved, 4, axis=0).any()
    assert made["limited"] is False


def test_no_drag_makes_a_crossing_or_leaves_the_image(node):
    random = np.random.default_rng(5)
    cases = [
        [c.tolist(), int(i), random.normal(0, 120, 2).tolist(), bool(random.integers(2))]
        for c in ventricles(40, 5)
        for i in random.integers(0, N_CONTROL_POINTS, 6)
    ]
    body = "return input.map(([p, i, by, single]) => m.contour.dragPoints(p, i, by, { size: [800, 600], single }));"
    made = node(body, cases)
    for (before, index, by, _), after in zip(cases, made, strict=True):
        points = np.asarray(after["points"])
        assert not crosses_itself(contour_of_control_points(points))
        assert (points >= 0).all()
        assert (points < SIZE).all()
        own = points[index] - before[index]
        # The point moves along the drag, never past it.
        assert np.hypot(*own) <= np.hypot(*by) + 1e-6
        assert own @ np.asarray(by) >= -1e-9
        spacing = np.hypot(*np.diff(points, axis=0).T)
        assert spacing.min() > 1
        tracing_of_control_points(points)
    limited = sum(m["limited"] for m in made)
    assert 0 < limited < len(made)


def test_a_spike_is_stopped(node):
    points = ventricles(1, 6)[0]
    body = "return m.contour.dragPoints(input, 3, [-300, 0], { size: [800, 600], single: true });"
    made = node(body, points.tolist())
    moved = np.asarray(made["points"])
    one, other = moved[2] - moved[3], moved[4] - moved[3]
    angle = np.degrees(np.arccos(one @ other / np.hypot(*one) / np.hypot(*other)))
    assert made["limited"] is True
    assert angle >= 54.9
    assert moved[3, 0] < points[3, 0]


def test_a_stroke_replaces_its_stretch(node):
    cases = []
    for points in ventricles(20, 7):
        line = contour_of_control_points(points)
        first, last = (
            16,
            44,
        )  # from the second point of the left wall to the middle between its fifth and sixth
        stretch = line[first : last + 1].copy()
        stretch[:, 0] -= 9 * np.sin(np.linspace(0, np.pi, len(stretch)))
        cases.append([points.tolist(), stretch.tolist()])
    body = "return input.map(([p, s]) => [s, [...s].reverse()].map((t) => m.contour.redrawStretch(p, t, [800, 600])));"
    for (before, stroke), (made, reversed_) in zip(cases, node(body, cases), strict=True):
        points = np.asarray(made["points"])
        assert points == pytest.approx(np.asarray(reversed_["points"]), abs=1e-6)
        # The points of the stretch lie on the stroke; apex, hinge points and the other wall stay.
        for i in (3, 4, 5):
            assert min(np.hypot(*(np.asarray(stroke) - points[i]).T)) < 4
        assert points[[0, *range(APEX, LAST + 1)]] == pytest.approx(
            np.asarray(before)[[0, *range(APEX, LAST + 1)]]
        )
        assert not crosses_itself(contour_of_control_points(points))


def test_a_stroke_over_the_apex_moves_the_apex(node):
    points = ventricles(1, 8)[0]
    stroke = contour_of_control_points(points)[32:81].copy()
    stroke[:, 1] -= 12
    made = np.asarray(
        node("return m.contour.redrawStretch(...input, [800, 600]);", [points.tolist(), stroke.tolist()])[
            "points"
        ]
    )
    base = made[[0, LAST]].mean(axis=0)
    away = np.hypot(*(stroke - base).T)
    assert np.hypot(*(made[APEX] - base)) == pytest.approx(away.max(), abs=0.5)
    assert made[[0, LAST]] == pytest.approx(points[[0, LAST]])


@pytest.mark.parametrize(
    ("stroke", "error"),
    [([[400, 300]], "short"), ([[400, 300], [401, 301]], "short"), ([[5, 5], [300, 5]], "far")],
)
def test_a_stroke_that_means_nothing_changes_nothing(node, stroke, error):
    points = ventricles(1, 9)[0].tolist()
    assert node("return m.contour.redrawStretch(...input, [800, 600]);", [points, stroke]) == {"error": error}


def test_no_stroke_makes_a_crossing(node):
    random, cases = np.random.default_rng(10), []
    for points in ventricles(40, 10):
        line = contour_of_control_points(points)
        a, b = sorted(random.integers(0, len(line), 2))
        steps = np.cumsum(random.normal(0, 6, (max(b - a, 2), 2)), axis=0)
        cases.append(
            [
                points.tolist(),
                (line[a : a + len(steps)][: len(steps)] + steps[: len(line[a : a + len(steps)])]).tolist(),
            ]
        )
    body = "return input.map(([p, s]) => m.contour.redrawStretch(p, s, [800, 600]));"
    made = node(body, cases)
    sound = [np.asarray(m["points"]) for m in made if "points" in m]
    assert len(sound) > 5
    assert not any(crosses_itself(contour_of_control_points(points)) for points in sound)


def test_three_points_bend_the_contour(node):
    cases = []
    for points in ventricles(10, 11):
        target = points[[APEX, 0, LAST]] + np.random.default_rng(11).normal(0, 15, (3, 2))
        cases.append([points.tolist(), target[0].tolist(), target[1:].tolist()])
    # The order of the hinge points does not matter.
    body = "return input.map(([p, a, h]) => [h, [h[1], h[0]]].map((order) => m.contour.fitLandmarks(p, a, order)));"
    for (_, apex, hinges), (made, other) in zip(cases, node(body, cases), strict=True):
        assert made == pytest.approx(np.asarray(other))
        assert np.asarray(made)[[APEX, 0, LAST]] == pytest.approx(np.asarray([apex, *hinges]))


def test_three_points_alone_make_a_ventricle(node):
    body = "return m.contour.contourFromLandmarks([400, 100], [[470, 380], [330, 380]]);"
    made = np.asarray(node(body))
    assert made[[0, APEX, LAST]] == pytest.approx(np.array([[330, 380], [400, 100], [470, 380]]))
    assert not crosses_itself(contour_of_control_points(made))
    tracing_of_control_points(made)


def test_undo_and_redo_are_inverse(node):
    body = """
      let h = m.history.emptyHistory(), now = 0, seen = [0];
      const random = (() => { let s = 7; return () => (s = (s * 16807) % 2147483647) / 2147483647; })();
      const log = [];
      for (let i = 1; i <= 400; i++) {
        const pick = random();
        if (pick < 0.5) { h = m.history.pushStep(h, now); now = i; }
        else {
          const { undoStep, redoStep } = m.history;
          const [step, back] = pick < 0.8 ? [undoStep, redoStep] : [redoStep, undoStep];
          const found = step(h, now);
          if (!found) continue;
          const again = back(found.history, found.state);
          log.push(again.state === now && JSON.stringify(again.history) === JSON.stringify(h));
          [h, now] = [found.history, found.state];
        }
        if (h.past.length > 100) throw new Error("too long");
      }
      return log;
    """
    made = node(body)
    assert len(made) > 50
    assert all(made)


def test_history_is_cut_to_its_bytes_from_its_oldest_steps(node):
    body = """
      const past = Array.from({ length: 100 }, (_, i) => ({ step: i, text: "x".repeat(100) }));
      const cut = m.history.fitHistory({ past, future: [] }, 4000);
      const few = m.history.fitHistory({ past, future: [] }, 5);
      const kept = m.history.fitHistory({ past, future: [], kept: { "": {} } }, 4000);
      const none = m.history.fitHistory({ past, future: [], kept: { "": {} } }, 5);
      return { bytes: JSON.stringify(cut).length, last: cut.past.at(-1).step, few, kept, none };
    """
    made = node(body)
    assert made["bytes"] <= 4000
    assert made["last"] == 99
    assert made["few"] == made["none"] == {"past": [], "future": []}
    assert made["kept"]["past"][-1]["step"] == 99 and made["kept"]["kept"] == {"": {}}


@pytest.mark.parametrize("stored", [None, {}, {"past": 3, "future": []}, "x"])
def test_a_history_that_is_none_is_empty(node, stored):
    assert node("return m.history.readHistory(input);", stored) == {"past": [], "future": []}


def test_edits_are_those_of_python(node):
    body = """
      let s = m.edits.emptyState([""]);
      s = m.edits.withPoints(s, "", "ed", input);
      s = m.edits.withFrames(s, "", { es: 9 }, { ed_frame: 0, es_frame: 12 });
      return m.edits.writeEdit(s, "Reader", "Note");
    """
    points = ventricles(1, 12)[0]
    edit = edit_from_dict(node(body, points.tolist()))
    assert (edit.ed_frame, edit.es_frame, edit.reader, edit.note) == (None, 9, "Reader", "Note")
    assert edit.ed_points == pytest.approx(points, abs=0.006)
    back = node(
        'return m.edits.writeEdit(...Object.values(m.edits.readEdit(input, [""])));', edit_to_dict(edit)
    )
    assert edit_from_dict(back).ed_points == pytest.approx(edit.ed_points)


def test_edits_of_a_study_are_those_of_python(node):
    body = """
      let s = m.edits.emptyState(["A4C", "A2C"]);
      s = m.edits.withPoints(s, "A2C", "es", input);
      return m.edits.writeEdit(s, "Reader", "");
    """
    study = study_from_dict(node(body, ventricles(1, 13)[0].tolist()))
    assert study["A4C"].empty
    assert study["A2C"].es_points is not None


def test_the_contour_of_a_frame_that_is_left_is_there_on_return(node):
    body = """
      const model = { ed_frame: 0, es_frame: 12 }, choose = (s, frames) => m.edits.withFrames(s, "", frames, model);
      let s = m.edits.withPoints(m.edits.emptyState([""]), "", "es", input);
      s = m.edits.withPropagation(s, "", true);
      const other = choose(s, { es: 13 }), reloaded = m.edits.withKept(
        m.edits.readEdit(m.edits.writeEdit(other), [""]).state, JSON.parse(JSON.stringify(m.edits.keptOf(other))));
      const beside = choose(other, { ed: 12 }), back = choose(reloaded, { es: 12 });
      const cleared = choose(m.edits.withPoints(back, "", "es", null), { es: 13 });
      return { s, other, written: m.edits.writeEdit(other), reloaded, beside, back, cleared: choose(cleared, { es: 12 }) };
    """
    made = node(body, ventricles(1, 14)[0].tolist())
    points = made["s"][""]["es_points"]
    assert made["other"] == made["reloaded"] == {"": {"es_frame": 13, "kept": {"es_12": points}}}
    # It is no part of the correction, nor of the other phase.
    assert "kept" not in made["written"] and made["written"]["es_points"] is None
    assert made["beside"] == {"": {"ed_frame": 12, "es_frame": 13, "kept": {"es_12": points}}}
    assert made["back"] == {"": {"es_points": points}}
    # A contour that was reset is the model's on return.
    assert made["cleared"] == {"": {}}


def test_saving_sends_one_at_a_time_and_the_latest(node):
    body = """
      const sent = [], waiting = [], saved = [];
      const hooks = { onSaved: (d, tag, isMore) => saved.push([d.revision, tag, isMore]) };
      const api = { putEdit: (id, b) => new Promise((done) => { sent.push(b); waiting.push(done); }) };
      const saver = new m.saving.Saver(api, "a", 1, hooks);
      const end = saver.put({ edit: 1 }, "one");
      saver.put({ edit: 2 }, "two"); saver.put({ edit: 3 }, "three");
      const tick = () => new Promise((done) => setTimeout(done, 0));
      await tick(); waiting[0]({ revision: 2 }); await tick(); waiting[1]({ revision: 3 }); await end;
      return { sent, saved, isDirty: saver.isDirty };
    """
    assert node(body) == {
        "sent": [{"revision": 1, "edit": 1}, {"revision": 2, "edit": 3}],
        "saved": [[2, "one", True], [3, "three", False]],
        "isDirty": False,
    }


def test_saving_tells_conflict_from_rejection(node):
    body = """
      const log = [];
      const error = (status, detail) => Object.assign(new Error("no"), { status, isOffline: false, body: { detail } });
      const replies = [error(409, { revision: 9 }), error(422), { revision: 10 }];
      const answer = async (reply) => { if (reply instanceof Error) throw reply; return reply; };
      const api = { putEdit: (id, b) => { log.push(b.revision); return answer(replies.shift()); } };
      const hooks = {
        onConflict: (d) => log.push(`conflict ${d.revision}`),
        onRejected: () => log.push("rejected"),
        onSaved: () => log.push("saved"),
      };
      const saver = new m.saving.Saver(api, "a", 1, hooks);
      for (let i = 0; i < 3; i++) await saver.put({ edit: i });
      return log;
    """
    assert node(body) == [1, "conflict 9", 9, "rejected", 9, "saved"]


def test_saving_tries_again_where_the_server_is_away(node):
    body = """
      const log = [], off = Object.assign(new Error("off"), { status: 0, isOffline: true });
      let away = 2;
      const api = { putEdit: async () => { if (away-- > 0) throw off; return { revision: 2 }; } };
      const hooks = { onFailed: (e, isRetried) => log.push(isRetried), onSaved: () => log.push("saved") };
      await new m.saving.Saver(api, "a", 1, hooks, async () => {}).put({ edit: 1 });
      return log;
    """
    assert node(body) == [True, True, "saved"]


def test_previews_send_the_latest_only(node):
    body = """
      const sent = [], waiting = [], seen = [];
      const api = { preview: (id, e) => new Promise((done) => { sent.push(e); waiting.push(done); }) };
      const saver = new m.saving.Saver(api, "a", 1, { onPreview: (r) => seen.push(r), onPreviewError() {} });
      const tick = () => new Promise((done) => setTimeout(done, 0));
      for (const e of [1, 2, 3]) saver.preview(e);
      waiting[0]("first"); await tick(); waiting[1]("last"); await tick();
      saver.preview(4); saver.endPreview(); waiting[2]("late"); await tick();
      return { sent, seen };
    """
    assert node(body) == {"sent": [1, 3, 4], "seen": ["first", "last"]}


def test_a_fold_is_left_out_and_nothing_else(node):
    plain = contour_of_control_points(ventricles(1, 15)[0])
    folded = np.insert(plain, 50, [plain[50] + 0.01, plain[47]], axis=0)
    made, other = node("return input.map(m.contour.withoutFolds);", [plain.tolist(), folded.tolist()])
    assert made == plain.tolist()
    assert len(other) < len(folded)
    assert np.hypot(*(np.asarray(other)[:, None] - plain[None]).transpose(2, 0, 1)).min(axis=1).max() < 0.02


@pytest.mark.parametrize(
    ("edit", "is_readable"),
    [
        ({"ed_frame": 3, "es_frame": None}, True),
        ({"ed_points": [[1, 2]] * 15}, True),
        ({"ed_points": [[1, 2]]}, False),
        ({"ed_points": [[1, None]] * 15}, False),
        ({"es_points": "15 points"}, False),
        ({"ed_frame": 20}, False),
        ({"ed_frame": -1}, False),
        ({"ed_frame": 1.5}, False),
    ],
)
def test_a_damaged_file_is_not_drawn(node, edit, is_readable):
    body = 'return m.edits.isReadable(m.edits.readEdit(input, [""]).state, 20);'
    assert node(body, edit) is is_readable
