"""Small prepared stores whose answer can be learned, and a network small enough for a test."""

from __future__ import annotations

import io
import json

import cv2
import numpy as np
import polars as pl
import torch
from torch import nn

from lvef.core.config import from_mapping
from lvef.geometry.volume_tracing import volume_tracing_of_mask
from lvef.stores.clip_store import StoreWriter
from lvef.stores.recipes import ClipRecipe, TwoStreamRecipe
from lvef.training.recipe import Recipe
from lvef.transforms.volume_tracing import volume_of_lines
from tests.geometry.ventricle_shapes import labels

SIDE = 32


def beating(ef, n_frames, side=SIDE, rate=25.0, seed=0):
    """A dark disc in grey tissue whose area falls by EF percent, one beat a second."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side].astype(float)
    cx, cy = rng.uniform(0.45, 0.55, 2) * side
    phase = rng.uniform(0, 1)
    clip = np.empty((n_frames, side, side), np.uint8)
    for i in range(n_frames):
        shrunk = 0.5 - 0.5 * np.cos(2 * np.pi * (i / rate + phase))
        radius = 0.3 * side * np.sqrt(1 - shrunk * ef / 100)
        soft = 1 / (1 + np.exp(-(np.hypot(x - cx, y - cy) - radius) * 2))
        clip[i] = np.clip(20 + 140 * soft + rng.normal(0, 3, soft.shape), 0, 255)
    return clip


def write_store(folder, n=8, *, frames=40, side=SIDE, efs=None, splits=None, patients=None, kind="clips"):
    """A finished store of clips (or of two-stream samples) with EF, split and patient."""
    efs = [20 + 50 * i / max(1, n - 1) for i in range(n)] if efs is None else efs
    recipe = ClipRecipe(side) if kind == "clips" else TwoStreamRecipe(side, frames=frames, duration=1.12)
    writer = StoreWriter(folder, recipe.settings())
    for i in range(n):
        writer.add(f"c{i}", "", beating(efs[i] or 0, frames, side, seed=i), {})
    entries = list(writer.entries.values())
    index = pl.DataFrame(
        {
            **{
                k: [e[k] for e in entries] for k in ("item", "shard", "offset", "n_frames", "height", "width")
            },
            "sha256": [e["sha256"] for e in entries],
            "frame_rate_hz": [25.0] * n,
            "frame_times_s": pl.Series([None] * n, dtype=pl.String()),
            "collection": ["made-up"] * n,
            "patient": patients or [f"p{i}" for i in range(n)],
            "split": pl.Series(splits or [None] * n, dtype=pl.String()),
            "ef_percent": pl.Series(efs, dtype=pl.Float64()),
            "licence": ["none"] * n,
        }
    )
    writer.finish(index, {"items": n})
    writer.close()
    return folder


def write_traces(folder, patients=4, side=112, split=None):
    """A finished folder of traced frames: a ventricle in ED and ES of each patient."""
    (folder / "frames").mkdir(parents=True)
    rows = []
    for i in range(patients):
        for phase, scale in (("ED", 1.0), ("ES", 0.62 + 0.08 * i)):
            centre = (side * (0.9 + 0.06 * i), side * 1.3)
            mask = labels(
                size=2 * side, centre=centre, length=1.1 * side * scale, radius=0.3 * side * scale, turn=0.1
            )
            lines = (volume_tracing_of_mask(mask) + 0.5) / 2 - 0.5
            grey = cv2.resize(
                np.where(mask, 20, 150).astype(np.uint8), (side, side), interpolation=cv2.INTER_AREA
            )
            name = f"frames/i{i}_{phase}.png"
            cv2.imwrite(str(folder / name), grey)
            rows.append(
                {
                    **{"item": f"i{i}", "phase": phase, "picture": name, "collection": "made-up"},
                    **{"patient": f"p{i}", "split": split, "volume_px3": volume_of_lines(lines)},
                    **{"lines_px": [float(v) for v in lines.ravel()], "licence": "none"},
                }
            )
    buffer = io.BytesIO()
    pl.DataFrame(rows, schema_overrides={"split": pl.String()}).write_parquet(buffer)
    (folder / "index.parquet").write_bytes(buffer.getvalue())
    settings = {"kind": "volume-traces", "size": side, "crop": "whole"}
    info = {"schema": "lvef-traces/1", "settings": settings, "complete": True}
    (folder / "traces.json").write_text(json.dumps(info))
    return folder


class TinyNet(nn.Module):
    """Mean and largest change of a few filters over a clip; with dropout, so that chance has a say."""

    def __init__(self, width=8):
        super().__init__()
        self.filters = nn.Conv2d(1, width, 5, stride=2, padding=2)
        self.norm = nn.BatchNorm2d(width)
        self.dropout = nn.Dropout(0.1)
        self.output = nn.Linear(2 * width, 1)

    def forward(self, grey):
        b, _, t, h, w = grey.shape
        seen = torch.relu(self.norm(self.filters(grey.transpose(1, 2).reshape(b * t, 1, h, w))))
        steps = seen.mean((2, 3)).view(b, t, -1)
        both = torch.cat([steps.mean(1), steps.amax(1) - steps.amin(1)], 1)
        return self.output(self.dropout(20 * both)).squeeze(-1)

    def set_output_bias(self, mean_ef):
        nn.init.constant_(self.output.bias, mean_ef)


def tiny_recipe(**changes):
    """A recipe for `TinyNet` on a store of `write_store`."""
    values = {
        "name": "tiny",
        "family": "small-video",
        "epochs": 4,
        "batch_size": 4,
        # The same on every processor.
        "precision": "32-true",
        "clip": {"frames": 8, "duration_s": 0.7, "size": SIDE, "clips": 2, "mean": 0.4, "std": 0.2},
        "augmentation": {"shift": 0.05, "noise": 0.05, "log_speed": 0.1, "log_gamma": 0.1},
        "optimiser": {"learning_rate": 0.01, "schedule": "one-cycle"},
        "data": {"validation_fraction": 0.25},
    }
    return from_mapping(Recipe, values | changes, "tiny")
