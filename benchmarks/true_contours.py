"""Where an EF error on phantoms comes from: beats and temporal smoothing on the true contours, or the network's contours.

Run it as ``python benchmarks/true_contours.py --clips 40``.
"""

from __future__ import annotations

import argparse

import numpy as np

from lvef.geometry.beats import analyse_beats
from lvef.geometry.simpson import chord_lengths, volume_of_tracing
from lvef.geometry.smoothing import smooth_tracings
from lvef.geometry.tracing import volume_curve_of_tracings
from lvef.measure.options import MeasureOptions
from lvef.measure.predictor import FrameContext
from lvef.measure.predictors import SegmentationPredictor
from lvef.synthesis.phantom.draw import draw_phantom
from lvef.synthesis.phantom.render import render_phantom
from lvef.transforms.sector import find_sector

SEED = 7
"""Of phantoms that belong to no collection of `lvef synthesize`."""


def main() -> None:
    """Print both errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--weights", default=MeasureOptions().weights)
    args = parser.parse_args()
    predictor = SegmentationPredictor(MeasureOptions(weights=args.weights, precision="f32"))
    ef_errors, contours = [], []
    for k in range(args.clips):
        rng = np.random.default_rng([SEED, k])
        made = render_phantom(draw_phantom(rng, name=str(k)), rng)
        clip, beat = made.clip, made.representative
        curve = volume_curve_of_tracings(
            smooth_tracings(made.tracings, clip.times_s), clip.times_s, clip.spacing
        )
        found = analyse_beats(curve, is_smoothed=True).representative
        if found is not None:
            ef_errors.append(found.ef_percent - beat.plane_ef_percent)
        two = [beat.ed_frame, beat.es_frame]
        traced = predictor.trace(
            clip.frames, find_sector(clip).box, clip.spacing, FrameContext(clip.times_s, two)
        ).tracings
        row = []
        for tracing, true in zip(traced, (made.tracings[i] for i in two), strict=True):
            if tracing is not None:
                row += [
                    volume_of_tracing(tracing, clip.spacing) / volume_of_tracing(true, clip.spacing),
                    float((chord_lengths(tracing, clip.spacing) - chord_lengths(true, clip.spacing)).mean()),
                ]
        if len(row) == 4:
            contours.append(row)
    error = np.array(ef_errors)
    print(
        f"Beats and temporal smoothing on the true contours, {len(error)} of {args.clips} phantoms with an EF:"
    )
    print(f"  EF bias {error.mean():+.2f}, mean absolute error {np.abs(error).mean():.2f} points")
    ed_volume, ed_width, es_volume, es_width = np.median(np.array(contours), axis=0)
    print(f"Contours of {args.weights} on single frames, {len(contours)} phantoms, medians:")
    print(f"  ED: volume {ed_volume:.2f} of the true one, mean width {ed_width:+.1f} mm")
    print(f"  ES: volume {es_volume:.2f} of the true one, mean width {es_width:+.1f} mm")


if __name__ == "__main__":
    main()
