"""Animated stills: the ED and the ES image of one patient, animated along a volume-time curve of known truth.

Reading order: `matching` (corresponding points of the two stills), `motion` (the flow between them, and the contraction
levels), `appearance` (the image of any instant), `animate` (frames and truth).
"""
