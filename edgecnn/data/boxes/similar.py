"""Near-duplicates: the same picture resized, recompressed or a little lighter.

A perceptual hash of 240 bits (is a cell lighter than the one to its right? — the difference hash of
N. Krawetz, "Kind of Like That", 2013, on 16 × 16 cells) finds candidates. A pair counts only where
its thumbnails agree in every cell too, so that photos of a fixed camera, which share their
background and differ in a part, are not taken for each other.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

_MAX_BITS = 24  # of 240 that may differ
_MAX_DIFFERENCE = 0.35  # of a cell, in standard deviations of the thumbnail
_LEAST_DEVIATION = 4.0  # gray levels: what is flat has no content that could agree
_BLOCK = 2048
_MAX_IMAGES = 20_000


def near_groups(thumbs: Mapping[str, NDArray[np.float32]]) -> list[tuple[str, ...]]:
    """Groups of images that are near-duplicates, each image in one group, in the mapping's order.

    Args:
        thumbs: id → float32 (16, 16) gray.

    Above 20,000 images each is its own group: every pair is compared.
    """
    names = list(thumbs)
    parent = list(range(len(names)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    if 1 < len(names) <= _MAX_IMAGES:
        for one, other in _pairs(np.stack([thumbs[name] for name in names])):
            a, b = sorted((root(one), root(other)))
            parent[b] = a
    groups: dict[int, list[str]] = {}
    for place, name in enumerate(names):
        groups.setdefault(root(place), []).append(name)
    return [tuple(group) for group in groups.values()]


def _pairs(thumbs: NDArray[np.float32]) -> list[tuple[int, int]]:
    signs = np.where(thumbs[:, :, 1:] > thumbs[:, :, :-1], 1.0, -1.0)
    signs = signs.reshape(len(thumbs), -1).astype(np.float32)
    flat = thumbs.reshape(len(thumbs), -1)
    deviation = np.maximum(flat.std(axis=1, keepdims=True), _LEAST_DEVIATION)
    normal = (flat - flat.mean(axis=1, keepdims=True)) / deviation
    least = signs.shape[1] - 2 * _MAX_BITS
    found: list[tuple[int, int]] = []
    for start in range(0, len(thumbs), _BLOCK):
        for other in range(start, len(thumbs), _BLOCK):
            agree = signs[start : start + _BLOCK] @ signs[other : other + _BLOCK].T
            for a, b in np.argwhere(agree >= least):
                one, two = start + int(a), other + int(b)
                if one < two and np.abs(normal[one] - normal[two]).max() <= _MAX_DIFFERENCE:
                    found.append((one, two))
    return found
