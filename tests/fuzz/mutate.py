"""Case number → bytes of a broken .tflite; the same number gives the same bytes."""

from __future__ import annotations

import random
import struct
from collections.abc import Mapping

from tests.fuzz import flat, meaning

MAX_BYTES = 4 << 20
"""Repeating an op repeats what it holds."""


def mutant(seeds: Mapping[str, bytes], seed: int, number: int) -> tuple[str, bytes]:
    """What was done, and the bytes.

    Args:
        seeds: name → a sound model.
        seed: of the campaign.
        number: of the case.
    """
    rng = random.Random(f"{seed}:{number}")
    name = rng.choice(sorted(seeds))
    data = seeds[name]
    steps = []
    if rng.random() < 0.7:
        for _ in range(rng.choice((1, 1, 1, 2, 2, 3))):
            what, changed = _meaning(data, seeds, rng)
            if len(changed) <= MAX_BYTES:
                data = changed
                steps.append(what)
    if not steps or rng.random() < 0.07:
        what, data = _bytes(data, seeds, rng)
        steps.append(what)
    return f"{name}: {', '.join(steps)}", data


def _meaning(data: bytes, seeds: Mapping[str, bytes], rng: random.Random) -> tuple[str, bytes]:
    """A change of meaning; the old bytes where the result cannot be written."""
    try:
        model = meaning.load(data)
        if rng.random() < 0.08:
            donor = rng.choice(sorted(seeds))
            meaning.graft(model, rng, meaning.load(seeds[donor]))
            return f"graft {donor}", meaning.dump(model)
        change = rng.choice(meaning.CHANGES)
        change(model, rng)
        return change.__name__, meaning.dump(model)
    except Exception:  # noqa: BLE001 - a negative unsigned, a length over 32 bits: try another
        return "nothing", data


def _bytes(data: bytes, seeds: Mapping[str, bytes], rng: random.Random) -> tuple[str, bytes]:
    raw = bytearray(data)
    done = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if not raw:
            break
        kind = rng.random()
        try:
            if kind < 0.1:
                donor = rng.choice(sorted(seeds))
                flat.graft(raw, rng, seeds[donor])
                done.append(f"splice {donor}")
                continue
            change = rng.choice(flat.TABLE_CHANGES if kind < 0.65 else flat.BYTE_CHANGES)
            change(raw, rng)
            done.append(change.__name__)
        except (struct.error, IndexError, ValueError, RecursionError):
            # The file is too broken by now for a change that follows its tables.
            flat.flip_bits(raw, rng)
            done.append("flip_bits")
    return ", ".join(done), bytes(raw)
