"""Pure functions from masks to numbers: tracing, volumes, ejection fraction, categories, beats."""
