"""Networks for lvef trained on CAMUS (CC BY-NC-SA 4.0, non-commercial use only).

Citation: S. Leclerc et al., "Deep Learning for Segmentation using an Open Large-Scale Dataset in 2D Echocardiography",
IEEE TMI 38(9), 2198-2210, 2019, doi 10.1109/TMI.2019.2900516.
"""

from __future__ import annotations

from pathlib import Path

FOLDER: Path = Path(__file__).resolve().parent
"""Folder that holds one subfolder a network, each with ``model.onnx`` and ``card.json``."""
