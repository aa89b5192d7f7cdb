"""Rows of made-up manifests in the manner of three collections."""

from __future__ import annotations

from typing import Any

import numpy as np

Row = dict[str, Any]


def row(item: str, patient: str | None = None, **more: Any) -> Row:
    """A clip with nothing but what a manifest requires."""
    told = {"collection": "made-up", "kind": "clip", "view": "A4C", "root": "nowhere", "licence": "none"}
    return told | {"item": item, "patient": patient or item, "path": f"{item}.avi"} | more


def echonet_like(n: int, seed: int = 0) -> list[Row]:
    """One clip a patient with EF and both volumes; no sex, no quality."""
    rng = np.random.default_rng(seed)
    edv = np.exp(rng.normal(4.42, 0.42, n)).clip(12.6, 695)
    ef = np.where(rng.random(n) < 0.78, rng.normal(61, 6, n), rng.normal(40, 13, n)).clip(6.9, 97)
    rate = np.where(rng.random(n) < 0.79, 50.0, rng.integers(18, 139, n))
    frames = rng.lognormal(5.14, 0.3, n).clip(28, 1002).astype(int)
    splits = np.where(np.arange(n) % 4 < 2, "train", np.where(np.arange(n) % 4 == 2, "val", "test"))
    return [
        row(
            f"0X{i:010X}",
            collection="echonet-dynamic",
            ef_percent=float(ef[i]),
            edv_ml=float(edv[i]),
            esv_ml=float(edv[i] * (1 - ef[i] / 100)),
            n_frames=int(frames[i]),
            frame_rate_hz=float(rate[i]),
            duration_s=float(frames[i] / rate[i]),
            height_px=112,
            width_px=112,
            split=str(splits[i]),
        )
        for i in range(n)
    ]


def camus_like(n: int, root: str = "nowhere", seed: int = 0) -> list[Row]:
    """Two views of each patient, ED, ES and a half sequence of each, all with the patient's one EF; no volumes."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(1, n + 1):
        shared = {
            "collection": "camus",
            "root": root,
            "ef_percent": float(np.clip(rng.normal(52, 12), 5, 90).round()),
            "ef_method": "cfg, one disk height",
            "sex": "FM"[i % 2],
            "age_years": 40.0 + i % 50,
            "split": "train" if i % 5 else "val",
        }
        for view in ("A4C", "A2C"):
            quality = ("Good", "Medium", "Poor")[int(rng.integers(3))]
            for phase in ("ED", "ES", None):
                name = f"patient{i:04d}_{view}_{phase or 'half_sequence'}"
                own = {"phase": phase, "kind": "still" if phase else "clip", "path": f"{name}.png"}
                rows.append(row(name, f"patient{i:04d}", view=view, quality=quality, **shared | own))
    return rows


def hmc_like(n: int) -> list[Row]:
    """Two clips of each patient with a diagnosis and no EF."""
    return [
        row(
            f"ES{i:04d}_{view}",
            f"ES{i:04d}",
            collection="hmc-qu",
            view=view,
            n_frames=25 + i % 9,
            frame_rate_hz=25.0,
            duration_s=(25 + i % 9) / 25,
            diagnosis="MI" if i % 2 else "non-MI",
        )
        for i in range(1, n + 1)
        for view in ("A4C", "A2C")
    ]
