"""The texts of the licenses that generated files and kernels name."""

from __future__ import annotations

from importlib import resources

OWN_FILES = "LICENSE-0BSD.txt"
"""Of what is made for a user: the C of a model, a project."""
KERNELS = "LICENSE-Apache-2.0.txt"


def license_texts() -> dict[str, str]:
    """File name → text."""
    root = resources.files(__package__)
    return {name: (root / name).read_text(encoding="utf-8") for name in (OWN_FILES, KERNELS)}
