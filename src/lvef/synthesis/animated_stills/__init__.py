"""Animated stills: the ED and the ES image of one patient, set in motion by a volume curve of known truth."""
