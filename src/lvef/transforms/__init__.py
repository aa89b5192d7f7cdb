"""Frames to network input, in numpy."""
