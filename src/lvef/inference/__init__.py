"""Runs a saved network without torch."""
