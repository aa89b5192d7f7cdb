"""Texts, file checks, filters and addresses of the page, which need no browser, run with node."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import lvef.webapp
from lvef.geometry.categories import heart_failure_range
from lvef.report.charts import TICKS_PERCENT
from tests.webapp.node import NODE, run_node

STATIC = Path(lvef.webapp.__file__).parent / "static"
MODULES = ("api", "bar", "dom", "list", "routes", "store", "text", "uploads")
LIMITS = {
    "max_upload_bytes": 200 * 2**20,
    "suffixes": [".avi", ".dcm", ".png"],
    "still_suffixes": [".jpg", ".png"],
}

pytestmark = pytest.mark.skipif(
    NODE is None, reason="modules of the page run with node, which is not on this machine"
)


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """Runs a function body in node: ``m`` are the modules, ``input`` is the value given; what it returns comes back."""
    folder = tmp_path_factory.mktemp("js")
    (folder / "package.json").write_text('{"type": "module"}')
    for name in MODULES:
        shutil.copy(STATIC / f"{name}.js", folder)
    shutil.copy(STATIC / "texts" / "en.json", folder)
    imports = "".join(f'import * as {name} from "./{name}.js";\n' for name in MODULES)
    prologue = (
        'import { readFileSync } from "node:fs";\n'
        f"{imports}const m = {{ {', '.join(MODULES)} }};\n"
        'globalThis.document = { documentElement: { lang: "en" }, baseURI: "http://here/echo/#/about" };\n'
        "console.warn = () => {};\n"
        'text.setTexts(JSON.parse(readFileSync("en.json", "utf8")));\n'
        "const input = JSON.parse(readFileSync(0, 'utf8'));\n"
    )

    return lambda body, value=None: run_node(folder, prologue, body, value)


def test_a_text_is_filled_in_and_has_plural_forms(node):
    found = node("""
        m.text.setTexts({a: {b: "{name} has {n}"}, clips: {one: "{n} clip", other: "{n} clips"}});
        const t = m.text.t;
        const made = [t("a.b", {name: "x", n: 0}), t("a.b", {n: 1}), t("clips", {n: 1}), t("clips", {n: 2})];
        made.push(t("a.missing"), t("a"));
        m.text.setTexts(JSON.parse(readFileSync("en.json", "utf8")));
        return made;
    """)
    assert found == ["x has 0", "{name} has 1", "1 clip", "2 clips", "a.missing", "a"]


def test_a_warning_falls_back_to_the_words_of_the_server(node):
    body = "return input.map((warning) => m.text.warningText(warning));"
    known, without_value, unknown, of_view = node(
        body,
        [
            {"code": "irregular_rhythm", "values": {"sd_percent": 26, "needed": 5}, "text": "server"},
            {"code": "irregular_rhythm", "values": {}, "text": "server"},
            {"code": "of_tomorrow", "values": {}, "text": "server"},
            {"code": "of_tomorrow", "values": {"view": "A2C"}, "text": "server"},
        ],
    )
    assert (
        known
        == "Beat lengths vary (SD 26 %): possible irregular rhythm; average of at least 5 beats recommended."
    )
    assert (without_value, unknown, of_view) == ("server", "server", "A2C: server")


def test_a_refusal_says_what_was_found_and_what_to_do(node):
    found = node(
        "return input.map((item) => m.text.reasonParts(item));",
        [{"reason_code": "es_above_ed", "reason": "server"}, {"reason_code": "x", "reason": "server"}],
    )
    assert found[0]["title"] == "ES larger than ED"
    assert found[0]["remedy"].startswith("Swap")
    assert found[1] == {"title": "", "text": "server", "remedy": ""}


@pytest.mark.parametrize(
    ("name", "size", "kind", "says"),
    [
        ("a.dcm", 100, "clip", ""),
        ("a.AVI", 100, "clip", ""),
        ("IM0001", 100, "clip", ""),
        ("1.2.840.113619.2", 100, "clip", ""),
        ("a.jpg", 100, "stills", ""),
        ("a.dcm", 100, "stills", ""),
        ("a.docx", 100, "clip", "a.docx is no clip that can be read (.docx). Choose DICOM or a video."),
        ("a.jpg", 100, "clip", "a.jpg is no clip that can be read (.jpg). Choose DICOM or a video."),
        ("a.txt", 100, "stills", "a.txt is no still that can be read (.txt). Choose DICOM or an image."),
        ("a.avi", 0, "clip", "a.avi is empty; export it again."),
        ("a.avi", 2 * 2**30, "clip", "a.avi has 2.0 GB, the limit is 200 MB; cut the clip to a few beats."),
    ],
)
def test_a_file_is_checked_before_it_is_sent(node, name, size, kind, says):
    body = "return m.uploads.fileError({name: input[0], size: input[1]}, input[2], input[3]);"
    assert node(body, [name, size, kind, LIMITS]) == says


@pytest.mark.parametrize(
    ("kind", "names", "first"),
    [
        ("stills", ["p1_ED.png", "p1_ES.png"], 0),
        ("stills", ["endsystole.png", "end-diastole.png"], 1),
        ("stills", ["x-es.png", "other.png"], 1),
        ("stills", ["one.png", "two.png"], None),
        ("stills", ["edited.png", "essen.png"], None),
        ("study", ["pat_4CH.dcm", "pat_2CH.dcm"], 0),
        ("study", ["A2C.avi", "A4C.avi"], 1),
        ("study", ["a.avi", "b.avi"], None),
    ],
)
def test_names_say_which_file_comes_first(node, kind, names, first):
    assert node("return m.uploads.firstByName(input[0], input[1]);", [kind, names]) == first


def test_a_filter_takes_decisions_states_and_words(node):
    items = [
        {"name": "a.dcm", "state": "done", "decision": "accepted", "view": "A4C"},
        {"name": "b.dcm", "state": "done", "decision": "caution", "view": "A2C"},
        {"name": "c.dcm", "state": "refused", "decision": "refused", "reason": "No ventricle"},
        {"name": "d.dcm", "state": "stopped", "decision": ""},
        {"name": "e.dcm", "state": "running", "decision": ""},
    ]
    body = """
        const found = (search) => input[0].filter((item) => m.list.passes(item, search)).map((item) => item.name[0]);
        return input[1].map(([filter, text]) => found({filter, text}).join(""));
    """
    searches = [
        ["all", ""],
        ["accepted", ""],
        ["caution", ""],
        ["refused", ""],
        ["all", "a2c"],
        ["all", "ventricle c"],
        ["refused", "d.d"],
    ]
    assert node(body, [items, searches]) == ["abcde", "a", "b", "cd", "b", "c", "d"]


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("", {"name": "start", "id": "", "mode": ""}),
        ("#/", {"name": "start", "id": "", "mode": ""}),
        ("#/item/1f", {"name": "item", "id": "1f", "mode": "cine"}),
        ("#/item/1f/correct", {"name": "item", "id": "1f", "mode": "correct"}),
        ("#/item/1f/nonsense", {"name": "item", "id": "1f", "mode": "cine"}),
        ("#/item/", {"name": "start", "id": "", "mode": ""}),
        ("#/compare/1f", {"name": "compare", "id": "1f", "mode": ""}),
        ("#/batch", {"name": "batch", "id": "", "mode": ""}),
        ("#/%", {"name": "start", "id": "", "mode": ""}),
        ("#/what", {"name": "start", "id": "", "mode": ""}),
    ],
)
def test_what_is_shown_stands_in_the_hash(node, text, route):
    assert node("return m.routes.readRoute(input);", text) == route


def test_a_link_keeps_the_path_of_a_proxy(node):
    found = node(
        "return [m.api.fileUrl('a/b', 'A4C/curve.csv'), m.api.thumbUrl('x', 3), m.api.resultsUrl('csv')];"
    )
    assert found == [
        "http://here/echo/api/items/a%2Fb/files/A4C%2Fcurve.csv",
        "http://here/echo/api/items/x/thumb?v=3",
        "http://here/echo/api/results.csv",
    ]


def test_the_heart_failure_range_is_that_of_the_rounded_ef(node):
    efs = [40.4, 40.5, 49.4, 49.5, *(half / 2 for half in range(201))]
    found = node("return input.map((ef) => m.bar.rangeOf(ef));", efs)
    assert found == [str(heart_failure_range(ef)) for ef in efs]
    assert tuple(node("return m.bar.CUTS;")) == TICKS_PERCENT


def test_an_error_of_the_server_is_passed_on_and_others_have_words(node):
    found = node("""
        const replies = [[507, '{"error": {"code": "full", "message": "No room."}}'], [502, "<html>"], [418, ""]]
            .map(([status, text]) => new Response(text, {status}));
        globalThis.fetch = async () => replies.shift();
        const seen = [];
        const see = (error) => seen.push([error.code, error.message, error.status, error.isOffline]);
        for (let i = 0; i < 3; i += 1) await m.api.putOptions({}).catch(see);
        return seen;
    """)
    assert found == [
        ["full", "No room.", 507, False],
        ["unavailable", "The server does not answer.", 502, True],
        ["error", "The server could not do this (status 418): try again.", 418, False],
    ]


def test_what_is_only_read_is_asked_for_twice(node):
    found = node("""
        let n = 0;
        globalThis.fetch = async () => {
            n += 1;
            if (n === 1) throw new TypeError("no network");
            return new Response('{"items": []}');
        };
        const items = await m.api.getItems();
        const after = n;
        globalThis.fetch = async () => { n += 1; throw new TypeError("no network"); };
        const error = await m.api.stopItem("x").catch((one) => one);
        return [items, after, n, error.code, error.isOffline];
    """)
    assert found == [{"items": []}, 2, 3, "network", True]


def test_frames_are_taken_apart(node):
    found = node("""
        const bytes = [...Buffer.from("LVEF"), 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 7, 8, 9];
        globalThis.fetch = async () => new Response(new Uint8Array(bytes));
        const blobs = await m.api.getFrames("x");
        return Promise.all(blobs.map(async (blob) => [...new Uint8Array(await blob.arrayBuffer())]));
    """)
    assert found == [[7], [8, 9]]
