"""One frame through the segmentation network against torchvision's `mobilenet_v2` features at 112 px, in the same run.

Both run in the engine that serves (OpenVINO, as many batches of 8 under way as the processor has lanes), in bf16 and in f32;
untrained weights cost the same as trained ones. Rounds of the two alternate and the fastest round of each counts, so that
other work on the machine falls on neither.

Needs ``pip install "lvef[weights]" torch torchvision``. Run: ``python benchmarks/network.py [--weights NAME]``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from lvef.inference.catalogue import find_model
from lvef.inference.session import Session, bf16_available, open_session
from lvef.io.atomic import write_text_atomic

BATCH, BATCHES = 8, 8
"""Frames a batch, and batches a round."""

REFERENCE_SIDE = 112
"""Side of the reference's images: a frame of EchoNet-Dynamic."""


def write_reference(folder: Path) -> Path:
    """The reference as a file that the engine reads."""
    import openvino
    import torch
    from torchvision.models import mobilenet_v2

    net = mobilenet_v2(weights=None).features.eval()
    shape = [BATCH, 3, REFERENCE_SIDE, REFERENCE_SIDE]
    model = openvino.convert_model(net, example_input=torch.zeros(shape))
    model.reshape(shape)
    path = folder / "reference.xml"
    openvino.save_model(model, path, compress_to_fp16=False)
    return path


def round_ms(session: Session, batch: np.ndarray) -> float:
    """Milliseconds a frame of one round, every lane of the session busy."""
    lanes = session.describe().lanes
    under_way = []
    began = time.perf_counter()
    for _ in range(BATCHES):
        under_way.append(session.start(batch))
        if len(under_way) > lanes:
            under_way.pop(0)()
    for fetch in under_way:
        fetch()
    return 1000 * (time.perf_counter() - began) / (BATCHES * BATCH)


def main() -> None:
    """Measure, print, and write the figures where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", default="camus-seg", help="installed network or its folder")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--out", type=Path, help="write the figures there as JSON")
    args = parser.parse_args()
    network = find_model(args.weights)
    side = network.card.input.size
    rng = np.random.default_rng(0)
    own = rng.standard_normal((BATCH, 1, side, side), dtype=np.float32)
    other = rng.standard_normal((BATCH, 3, REFERENCE_SIDE, REFERENCE_SIDE), dtype=np.float32)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        reference = write_reference(Path(folder))
        for precision in ("bf16", "f32") if bf16_available() else ("f32",):
            pairs = [
                (open_session(network.model_path, backend="openvino", precision=precision), own),
                (open_session(reference, backend="openvino", precision=precision), other),
            ]
            for session, batch in pairs:
                round_ms(session, batch)
            times = [[round_ms(session, batch) for session, batch in pairs] for _ in range(args.rounds)]
            ours, theirs = np.min(times, axis=0)
            found[precision] = {
                "network_ms": round(float(ours), 3),
                "reference_ms": round(float(theirs), 3),
                "ratio": round(float(ours / theirs), 2),
            }
    print(f"{network.card.name} {network.card.version}, {side} x {side}; {pairs[0][0].describe().device}")
    print("| precision | network, ms a frame | mobilenet_v2 features, 112 px | ratio |\n|---|---|---|---|")
    for precision, row in found.items():
        print(f"| {precision} | {row['network_ms']:.2f} | {row['reference_ms']:.2f} | {row['ratio']:.2f} |")
    if args.out:
        write_text_atomic(args.out, json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
