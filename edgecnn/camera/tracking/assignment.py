"""Which pairs of two groups go together so that all of them fit best."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Numbers = NDArray[np.intp]


def best_pairs(weights: Floats) -> list[tuple[int, int]]:
    """The matching of greatest total weight; not everything has to be in a pair.

    A pair that outweighs the next best pair of its row and that of its column together is in every
    such matching: to do without it frees one partner of each at the most. Such pairs are taken
    first, which nearly always leaves little or nothing to be solved.

    Args:
        weights: (n, m), finite; what is not above 0 is never a pair.

    Returns:
        Row and column of each pair, in the order of the rows.
    """
    rows, columns = np.arange(weights.shape[0]), np.arange(weights.shape[1])
    pairs: list[tuple[int, int]] = []
    left = np.maximum(weights, 0.0)
    while left.size and left.any():
        row, column = _undisputed(left)
        if not len(row):
            pairs += _solved(left, rows, columns)
            break
        pairs += zip(rows[row].tolist(), columns[column].tolist(), strict=True)
        keep_row = np.asarray(left.any(axis=1))
        keep_column = np.asarray(left.any(axis=0))
        keep_row[row] = keep_column[column] = False
        left = left[keep_row][:, keep_column]
        rows, columns = rows[keep_row], columns[keep_column]
    return sorted(pairs)


def _undisputed(weights: Floats) -> tuple[Numbers, Numbers]:
    """Rows and columns of the pairs that are in every best matching for the reason above."""
    row_next = _second(weights, 1)
    column_next = _second(weights, 0)
    taken = weights > row_next[:, None] + column_next
    row, column = np.nonzero(taken)
    return row, column


def _second(weights: Floats, axis: int) -> Floats:
    """The second greatest value along ``axis``; 0 where there is only one."""
    if weights.shape[axis] < 2:
        return np.zeros(weights.shape[1 - axis])
    second: Floats = np.partition(weights, -2, axis=axis).take([-2], axis=axis).ravel()
    return second


def _solved(weights: Floats, rows: Numbers, columns: Numbers) -> list[tuple[int, int]]:
    """The best matching of what is disputed."""
    turned = weights.shape[0] > weights.shape[1]
    cost = -weights.T if turned else -weights
    first = np.arange(cost.shape[0])
    second = linear_assignment(cost)
    real = cost[first, second] < 0
    row, column = (second, first) if turned else (first, second)
    return list(zip(rows[row[real]].tolist(), columns[column[real]].tolist(), strict=True))


def linear_assignment(cost: Floats) -> Numbers:
    """Gives each row a column of its own so that the sum of their costs is least.

    Shortest augmenting paths behind an augmenting row reduction: R. Jonker, A. Volgenant, "A
    shortest augmenting path algorithm for dense and sparse linear assignment problems", Computing
    38 (1987); for more columns than rows as D. F. Crouse, "On implementing 2D rectangular
    assignment algorithms", IEEE Transactions on Aerospace and Electronic Systems 52 (2016). At most
    O(n² m) steps.

    Args:
        cost: (n, m), finite, with n at most m.

    Returns:
        (n,): the column of each row.
    """
    row_of = [-1] * cost.shape[1]
    column_of = [-1] * cost.shape[0]
    column_price = np.zeros(cost.shape[1])
    free = _reduce_rows(cost, row_of, column_of, column_price)
    for start in free:
        _augment(cost, start, row_of, column_of, column_price)
    return np.array(column_of, np.intp)


def _reduce_rows(
    cost: Floats, row_of: list[int], column_of: list[int], column_price: Floats
) -> list[int]:
    """Gives rows their cheapest columns; a column's price falls to what the next best would be.

    Returns:
        The rows that are left without a column.
    """
    waiting, free = list(range(len(column_of) - 1, -1, -1)), []
    turns = 3 * len(column_of)
    while waiting:
        row = waiting.pop()
        reduced = cost[row] - column_price
        best = int(reduced.argmin())
        least = reduced[best]
        reduced[best] = np.inf
        rise = reduced.min() - least
        turns -= 1
        before = row_of[best]
        if before >= 0 and (rise <= 0 or turns < 0):
            free.append(row)
            continue
        if rise > 0 and np.isfinite(rise):
            column_price[best] -= rise
        row_of[best], column_of[row] = row, best
        if before >= 0:
            column_of[before] = -1
            waiting.append(before)
    return free


def _augment(
    cost: Floats, start: int, row_of: list[int], column_of: list[int], column_price: Floats
) -> None:
    """Gives one more row a column, along the cheapest path of columns changing hands."""
    size = cost.shape[1]
    open_price = column_price.copy()  # minus infinity: the shortest way to the column is known
    shortest = np.full(size, np.inf)
    came_from = np.full(size, -1, np.intp)
    done: list[tuple[int, float]] = []
    row, so_far = start, 0.0
    own = 0.0  # the reduced cost of the row's own column, which is the least it can have
    while True:
        ways = cost[row] - open_price
        ways += so_far - own
        np.putmask(came_from, ways < shortest, row)
        np.minimum(shortest, ways, out=shortest)
        column = int(shortest.argmin())
        so_far = float(shortest[column])
        if row_of[column] < 0:
            break
        done.append((column, so_far))
        shortest[column], open_price[column] = np.inf, -np.inf
        row = row_of[column]
        own = float(cost[row, column] - column_price[column])
    for reached, way in done:
        column_price[reached] += way - so_far
    while True:
        row = int(came_from[column])
        row_of[column] = row
        column_of[row], column = column, column_of[row]
        if row == start:
            return
