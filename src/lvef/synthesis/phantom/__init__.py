"""A moving left ventricle in space, seen by a simulated scanner: clips with known truth.

Reading order: `anatomy` (the ventricle in space, right heart, atria, valves), `plane` (how a scan plane cuts them),
`scatterers` (what in them sends echoes), `scanner` (echoes to grey levels, in beams and depths), `draw` (the parameters of a
phantom), `render` (frames and truth).
"""
