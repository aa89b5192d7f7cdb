"""Data module, objective and fit for the networks."""
