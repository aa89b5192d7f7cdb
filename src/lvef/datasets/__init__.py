"""Datasets: one reader each, manifests and their checks. No torch."""
