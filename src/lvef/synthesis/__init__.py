"""Synthetic data with known truth: volume curves, moving phantoms, animated stills."""
