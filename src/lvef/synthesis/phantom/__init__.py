"""A moving left ventricle in space, seen by a simulated scanner: films of which everything is known.

Reading order: `shape` (the ventricle in space), `surroundings` (right heart, atria, valves), `plane` (how a scan plane cuts
them), `scatterers` (what in them sends echoes), `scanner` (echoes to grey levels, in beams and depths), `picture` (beams to
pixels, outlines to labels), `case` (drawing one), `render` (all of it, frame by frame).
"""
