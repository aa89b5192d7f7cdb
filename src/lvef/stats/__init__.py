"""Figures of merit and their intervals: pure functions."""
