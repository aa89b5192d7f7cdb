"""Synthetic data with known truth: volume curves, moving phantoms, moving stills."""
