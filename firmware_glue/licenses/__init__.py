"""The texts of the licenses that generated files and kernels name."""

from __future__ import annotations

from importlib import resources

NAMES = ("LICENSE-0BSD.txt", "LICENSE-Apache-2.0.txt")
"""Of the files made for a model, and of the kernels."""


def license_texts() -> dict[str, str]:
    """File name → text."""
    root = resources.files(__package__)
    return {name: (root / name).read_text(encoding="utf-8") for name in NAMES}
