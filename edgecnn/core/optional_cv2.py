"""OpenCV where it is installed."""

from __future__ import annotations

from functools import lru_cache
from typing import Any


@lru_cache(maxsize=1)
def cv2_or_none() -> Any:
    """The cv2 module, or None; imported on first use, because importing it takes long."""
    try:
        import cv2
    except ImportError:
        return None
    return cv2
