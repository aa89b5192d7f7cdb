"""How well clips with known truth are measured: EF, beats, timing, outlines."""
