"""Metrics, their confidence intervals and tests: pure functions."""
