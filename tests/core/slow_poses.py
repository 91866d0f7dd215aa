"""PoseNet's two published decoders and CenterNet's, value by value.

Written from the rules of google-coral/libcoral (``posenet_decoder``), tensorflow/tfjs-models
(``multi_pose``) and xingyizhou/CenterNet (``ctdet_decode``).
"""

from __future__ import annotations

import heapq
import math

import numpy as np

TREE = (
    (0, 1), (1, 3), (0, 2), (2, 4), (0, 5), (5, 7), (7, 9), (5, 11), (11, 13), (13, 15), (0, 6),
    (6, 8), (8, 10), (6, 12), (12, 14), (14, 16),
)  # fmt: skip


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value > -700 else 0.0


def lerp(values, y: float, x: float, channel: int) -> float:
    rows, cols = values.shape[:2]
    top, left = math.floor(y), math.floor(x)
    bottom, right = min(math.ceil(y), rows - 1), min(math.ceil(x), cols - 1)
    upper = (1 - (x - left)) * values[top, left, channel] + (x - left) * values[top, right, channel]
    lower = (1 - (x - left)) * values[bottom, left, channel]
    lower += (x - left) * values[bottom, right, channel]
    return float((1 - (y - top)) * upper + (y - top) * lower)


def clamp(value: float, most: float) -> float:
    return min(max(value, 0.0), most)


def local_maxima(heat, threshold: float):
    """(score, row, column, part) of all cells that no neighbour exceeds."""
    rows, cols, parts = heat.shape
    for y in range(rows):
        for x in range(cols):
            for k in range(parts):
                around = heat[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2, k]
                if sigmoid(heat[y, x, k]) >= threshold and heat[y, x, k] >= around.max():
                    yield float(heat[y, x, k]), y, x, k


def bilinear_pose(heat, short, mid, root, tree, refinements: int) -> np.ndarray:
    """One person by a queue of points, the surest first; places in cells, logits."""
    rows, cols, parts = heat.shape
    edges = len(tree)
    ways = [(a, b, k) for k, (a, b) in enumerate(tree)]
    ways += [(b, a, 2 * edges + k) for k, (a, b) in enumerate(tree)]
    y, x, part = root
    queue = [(-lerp(heat, y, x, part), y, x, part)]
    pose = np.full((parts, 3), np.nan)
    while queue:
        score, y, x, part = heapq.heappop(queue)
        if not np.isnan(pose[part, 0]):
            continue
        pose[part] = y, x, -score
        for source, target, channel in ways:
            if source != part or not np.isnan(pose[target, 0]):
                continue
            dy, dx = lerp(mid, y, x, channel), lerp(mid, y, x, channel + edges)
            ty, tx = clamp(y + dy, rows - 1), clamp(x + dx, cols - 1)
            for _ in range(refinements):
                dy, dx = lerp(short, ty, tx, target), lerp(short, ty, tx, parts + target)
                ty, tx = clamp(ty + dy, rows - 1), clamp(tx + dx, cols - 1)
            heapq.heappush(queue, (-lerp(heat, ty, tx, target), ty, tx, target))
    return pose


def nearest_pose(heat, short, mid, root, tree, refinements: int) -> np.ndarray:
    """One person along the edges, upwards and then downwards; places in cells, logits."""
    rows, cols, parts = heat.shape
    edges = len(tree)
    y, x, part = root
    pose = np.full((parts, 3), np.nan)

    def cell(y: float, x: float) -> tuple[int, int]:
        return (int(clamp(math.floor(y + 0.5), rows - 1)),
                int(clamp(math.floor(x + 0.5), cols - 1)))  # fmt: skip

    pose[part] = y, x, heat[(*cell(y, x), part)]
    steps = [(b, a, 2 * edges + k) for k, (a, b) in reversed(list(enumerate(tree)))]
    steps += [(a, b, k) for k, (a, b) in enumerate(tree)]
    for source, target, channel in steps:
        if np.isnan(pose[source, 0]) or not np.isnan(pose[target, 0]):
            continue
        y, x = pose[source, :2]
        at = cell(y, x)
        y, x = y + mid[(*at, channel)], x + mid[(*at, channel + edges)]
        for _ in range(refinements):
            at = cell(y, x)
            y, x = at[0] + short[(*at, target)], at[1] + short[(*at, parts + target)]
        pose[target] = y, x, heat[(*cell(y, x), target)]
    return pose


def slow_poses(heat, short, mid, *, nearest, refinements, radius, point, score, most, tree=TREE):
    """(persons, points, 3) row, column in cells and probability; and their scores."""
    rows, cols, parts = heat.shape
    queue = sorted(local_maxima(heat, point), key=lambda item: (-item[0], *item[1:]))
    poses: list[np.ndarray] = []
    for _, y, x, k in queue:
        if len(poses) == most:
            break
        at = (y + float(short[y, x, k]), x + float(short[y, x, parts + k]))
        if not nearest:
            at = clamp(at[0], rows - 1), clamp(at[1], cols - 1)
        if any(math.dist(at, pose[k, :2]) <= radius for pose in poses):
            continue
        pose = (nearest_pose if nearest else bilinear_pose)(
            heat, short, mid, (*at, k), tree, refinements
        )
        pose[:, 2] = [sigmoid(value) for value in pose[:, 2]]
        if pose[:, 2].mean() >= score:
            poses.append(pose)
    poses.sort(key=lambda pose: -pose[:, 2].mean())
    scores = []
    for place, pose in enumerate(poses):
        total = 0.0
        for k in range(parts):
            if all(math.dist(pose[k, :2], other[k, :2]) > radius for other in poses[:place]):
                total += pose[k, 2]
        scores.append(total / parts)
    order = [k for k in np.argsort([-s for s in scores], kind="stable") if scores[k] >= score]
    return [poses[k] for k in order], [scores[k] for k in order]


def slow_centers(heat, threshold: float, window: int) -> list[tuple[float, int, int, int]]:
    """Peaks (probability, row, column, class) of real heat maps, best first."""
    rows, cols, classes = heat.shape
    reach = window // 2
    found = []
    for y in range(rows):
        for x in range(cols):
            around = heat[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
            for k in range(classes):
                if heat[y, x, k] >= threshold and heat[y, x, k] >= np.nanmax(around[..., k]):
                    found.append((float(heat[y, x, k]), y, x, k))
    return sorted(found, key=lambda item: (-item[0], item[1:]))
