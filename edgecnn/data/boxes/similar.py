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
_BLOCK = 512
_MAX_IMAGES = 20_000


def near_groups(thumbs: Mapping[str, NDArray[np.float32]]) -> list[tuple[str, ...]]:
    """Groups of images that are near-duplicates, each image in one group, in the mapping's order.

    Args:
        thumbs: id → float32 (16, 16) gray.

    Above 20,000 images each is its own group: every pair is compared.
    """
    names = list(thumbs)
    if 1 < len(names) <= _MAX_IMAGES:
        group_of = _joined(np.stack([thumbs[name] for name in names]))
    else:
        group_of = np.arange(len(names))
    groups: dict[int, list[str]] = {}
    for name, group in zip(names, group_of.tolist(), strict=True):
        groups.setdefault(group, []).append(name)
    return [tuple(group) for group in groups.values()]


def _joined(thumbs: NDArray[np.float32]) -> NDArray[np.int64]:
    """Every image's group: the least place in it."""
    signs = np.where(thumbs[:, :, 1:] > thumbs[:, :, :-1], 1.0, -1.0)
    signs = signs.reshape(len(thumbs), -1).astype(np.float32)
    flat = thumbs.reshape(len(thumbs), -1)
    deviation = np.maximum(flat.std(axis=1, keepdims=True), _LEAST_DEVIATION)
    normal = (flat - flat.mean(axis=1, keepdims=True)) / deviation
    least = signs.shape[1] - 2 * _MAX_BITS
    group_of = np.arange(len(thumbs))
    for start in range(0, len(thumbs), _BLOCK):
        agree = signs[start : start + _BLOCK] @ signs.T >= least
        for row, agrees in enumerate(agree, start):
            others = row + 1 + np.flatnonzero(agrees[row + 1 :])
            # Of a thousand frames alike the first one joins all; the rest has nothing to compare.
            others = others[group_of[others] != group_of[row]]
            alike = np.abs(normal[others] - normal[row]).max(axis=1, initial=0.0)
            found = np.unique(group_of[[row, *others[alike <= _MAX_DIFFERENCE]]])
            if len(found) > 1:
                group_of[np.isin(group_of, found)] = found[0]
    return group_of
