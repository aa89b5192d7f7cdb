"""Judges the code that serves, through lvef.measure."""
