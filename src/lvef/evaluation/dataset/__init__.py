"""Evaluates predicted EFs against those of a dataset's manifest."""
