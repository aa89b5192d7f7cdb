"""Moving stills: the ED and the ES picture of one patient, set in motion by a volume curve of known truth."""
