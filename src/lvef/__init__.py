"""lvef: left-ventricular ejection fraction from cardiac ultrasound. Research and teaching, not a medical device."""

from __future__ import annotations

__version__ = "0.1.0"
