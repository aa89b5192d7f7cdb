"""A moving left ventricle in space, seen by a simulated scanner: clips of which everything is known.

Reading order: `shape` (the ventricle in space), `surroundings` (right heart, atria, valves), `plane` (how a scan plane cuts
them), `scatterers` (what in them sends echoes), `scanner` (echoes to grey levels, in beams and depths), `image` (beams to
pixels, contours to labels), `case` (drawing one), `render_phantom` (all of it, frame by frame).
"""
