"""Evaluation on synthetic clips, whose truth is known: EF, beats, timing, contours."""
