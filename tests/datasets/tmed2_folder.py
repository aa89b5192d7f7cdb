"""A fabricated folder in the layout of TMED-2: one table of labels, three sets of small PNG stills."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

HEADER = "query_key,view_label,diagnosis_label,view_classifier_split,diagnosis_classifier_split"
ROWS = (
    "1009s2_12.png,PLAX,severe_AS,train,train",
    "1009s2_13.png,A4C,severe_AS,train,train",
    "1009s1_1.png,A4CorA2CorOther,no_AS,train,train",
    "2001s1_7.png,PSAX,mildtomod_AS,val,test",
    "3100s1_3.png,A2C,Not_Provided,test,not_used",
)
UNLABELLED = ("1009s2_14", "5005s1_0")
BOTH = "view_and_diagnosis_labeled_set"
FOLDERS = {
    "1009s2_12": f"{BOTH}/labeled",
    "1009s2_13": f"{BOTH}/labeled",
    "1009s1_1": f"{BOTH}/labeled",
    "2001s1_7": f"{BOTH}/labeled",
    "3100s1_3": "view_labeled_set/labeled",
    "1009s2_14": f"{BOTH}/unlabeled",
    "5005s1_0": "unlabeled_set/unlabeled",
}


def write_table(root: Path, rows=ROWS, header=HEADER, name="labels_per_image.csv") -> Path:
    """The table of labels."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def write(root: Path) -> Path:
    """Five labelled stills of three patients and two unlabelled ones."""
    write_table(root)
    for number, (name, folder) in enumerate(FOLDERS.items()):
        (root / folder).mkdir(parents=True, exist_ok=True)
        grey = np.full((112, 112), 20 + number, np.uint8)
        Image.fromarray(grey).save(root / folder / f"{name}.png")
    return root
