"""Keras on use, for the training room; :mod:`edgecnn.models.keras_setup` is its home."""

from __future__ import annotations

from edgecnn.models.keras_setup import device_name, import_keras, seed_everything

__all__ = ["device_name", "import_keras", "seed_everything"]
