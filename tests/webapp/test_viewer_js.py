"""Frames, playback and curve of the viewer: what of them needs no browser, run with node."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest

import lvef.webapp
from tests.webapp.node import NODE, run_node

STATIC = Path(lvef.webapp.__file__).parent / "static"

pytestmark = pytest.mark.skipif(
    NODE is None, reason="modules of the viewer run with node, which is not on this machine"
)

PROLOGUE = """
import { readFileSync } from "node:fs";
const input = JSON.parse(readFileSync(0, "utf8"));
const closed = [];
globalThis.createImageBitmap = async (blob) => {
  const text = await blob.text();
  if (text.startsWith("broken")) throw new Error("no image");
  return { text, close: () => closed.push(text) };
};
const serve = (bytes, size) => { globalThis.fetch = async () => new Response(new ReadableStream({
  async start(stream) {
    for (let i = 0; i < bytes.length; i += size) {
      stream.enqueue(Uint8Array.from(bytes.slice(i, i + size)));
      await new Promise((done) => setTimeout(done, 0));
    }
    stream.close();
  } })); };
const settle = () => new Promise((done) => setTimeout(done, 20));
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """Runs a function body in node with modules of the page: ``frames``, ``player``, ``curve``."""
    folder = tmp_path_factory.mktemp("js")
    (folder / "package.json").write_text('{"type": "module"}')
    for path in STATIC.glob("*.js"):
        shutil.copy(path, folder)

    def run(module, body, value=None):
        return run_node(folder, f'{PROLOGUE}import * as {module} from "./{module}.js";\n', body, value)

    return run


def pack(frames):
    data = [frame.encode() for frame in frames]
    head = struct.pack(f"<{len(data) + 1}I", len(data), *map(len, data))
    return list(b"LVEF" + head + b"".join(data))


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_pack_is_read_however_it_is_cut(node, size):
    body = """
      const seen = [];
      serve(input[0], input[1]);
      const f = new frames.Frames((i) => seen.push(i));
      await f.load("x"); await settle();
      const first = [...seen];
      f.prefetch([1, 2]); await settle();
      return { count: f.count, first, texts: [0, 1, 2].map((i) => f.get(i)?.text), beyond: f.get(3) };
    """
    frames = ["first", "a longer second", "third"]
    assert node("frames", body, [pack(frames), size]) == {
        "count": 3,
        "first": [0],
        "texts": frames,
        "beyond": None,
    }


def test_the_first_frame_is_shown_before_the_rest_is_there(node):
    body = """
      serve(input, 40);
      let arrived = -1;
      const f = new frames.Frames(() => { if (arrived < 0) arrived = f.blobs.length; });
      await f.load("x");
      return [arrived, f.blobs.length];
    """
    arrived, whole = node("frames", body, pack(["x" * 30] * 200))
    assert arrived < whole == 200


def test_few_bitmaps_are_kept_and_the_others_are_freed(node):
    body = """
      serve(input, 4096);
      const f = new frames.Frames(() => {}, 5);
      await f.load("x"); f.pin([3]);
      for (let i = 0; i < 20; i++) { f.prefetch([i]); await settle(); }
      return { kept: [...f.bitmaps.keys()], closed: closed.length };
    """
    made = node("frames", body, pack([f"frame {i}" for i in range(20)]))
    assert made == {"kept": [3, 16, 17, 18, 19], "closed": 15}


def test_a_broken_image_leaves_the_others(node):
    body = """
      serve(input, 4096);
      const f = new frames.Frames(() => {});
      await f.load("x"); f.prefetch([0, 1]); await settle();
      return [f.get(0), f.get(1).text];
    """
    assert node("frames", body, pack(["broken", "sound"])) == [None, "sound"]


@pytest.mark.parametrize("data", [pack(["one", "two"])[:-2], list(b"HTML of a proxy"), [], list(b"LVEF")])
def test_what_is_no_pack_is_an_error(node, data):
    body = """
      serve(input, 5);
      return await new frames.Frames(() => {}).load("x").then(() => "loaded", (error) => error.message);
    """
    assert node("frames", body, data) in ("the frames broke off", "these are no frames")


def test_playback_follows_the_times_of_the_clip(node):
    times = [0.0, 0.1, 0.2, 0.5, 0.6, 0.7, 0.8]
    body = """
      const view = { times: input };
      const whole = player.loopOf(view, null), beat = player.loopOf(view, { from: 1, to: 6 });
      const at = (loop, ...seconds) => seconds.map((s) => player.frameAfter(view, loop, s));
      return { whole, beat, frames: at(whole, 0, 0.15, 0.49, 0.5, 0.85, 1.1), beats: at(beat, 0, 0.3, 0.65, 0.71, 1.41) };
    """
    made = node("player", body, times)
    assert made["whole"] == {"from": 0, "to": 6, "seconds": pytest.approx(0.8 + 0.8 / 6)}
    # The last frame of a beat is the first of the next: it is not shown twice.
    assert made["beat"] == {"from": 1, "to": 5, "seconds": pytest.approx(0.7)}
    assert made["frames"] == [0, 1, 2, 3, 6, 1]
    assert made["beats"] == [1, 2, 5, 1, 1]


def test_a_beat_that_ends_before_it_begins_is_played_forward(node):
    # Some clips begin with ES.
    body = "return player.loopOf({ times: input }, { from: 19, to: 4 });"
    assert node("player", body, [k / 30 for k in range(30)])["from"] == 4


def test_a_click_on_the_curve_finds_the_nearest_frame(node):
    body = "return [-1, 0.04, 0.06, 0.34, 0.36, 9].map((t) => curve.frameAt(input, t));"
    assert node("curve", body, [0, 0.1, 0.2, 0.5]) == [0, 0, 1, 2, 3, 3]


def test_axes_have_round_steps(node):
    body = "return [[100, 3], [0.9, 5], [7, 4], [1, 1]].map(([span, most]) => curve.niceStep(span, most));"
    assert node("curve", body) == pytest.approx([50, 0.2, 2, 1])
