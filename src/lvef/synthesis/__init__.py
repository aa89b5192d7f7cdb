"""Synthetic data with known truth: volume-time curves, phantoms, animated stills."""
