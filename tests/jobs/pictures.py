"""Labelled pictures that a tiny model can tell apart."""

from __future__ import annotations

import cv2
import numpy as np


def brightness_files(count: int, size: int = 8) -> dict[str, bytes]:
    """``{dark|light}/{i}.png``: noise around 60 and around 190."""
    files = {}
    for name, level in (("dark", 60), ("light", 190)):
        for i in range(count):
            noise = np.random.default_rng((level, i)).integers(-40, 40, (size, size, 3))
            files[f"{name}/{i}.png"] = cv2.imencode(".png", (level + noise).astype("u1"))[
                1
            ].tobytes()
    return files
