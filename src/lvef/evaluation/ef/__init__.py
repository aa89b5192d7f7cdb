"""How well networks read the EFs of a manifest: figures, classes, calibration, lines, network against network."""
