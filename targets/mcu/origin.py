"""What generated files say about where they come from: the model, and what was asked for."""

from __future__ import annotations

from firmware_glue.compiler.api import Origin
from targets.base import ModelFile, RunOptions

_FILE = "file"  # the recipe of a bare file


def origin(model: ModelFile, target: str, options: RunOptions) -> Origin:
    """The model's name and hash, and the options that made a difference to the C."""
    words = ["--target", target]
    words += [] if model.recipe == _FILE else ["--variant", model.recipe]
    words += [] if options.name is None else ["--name", options.name]
    words += ["--numerics", options.numerics, "--optimize", options.optimize]
    words += ["--weights", options.weights]
    for name, size in options.regions:
        words += ["--region", f"{name}={size}"]
    words += [] if options.max_ram is None else ["--max-ram", str(options.max_ram)]
    words += [] if options.max_flash is None else ["--max-flash", str(options.max_flash)]
    words += ["--tune"] if options.tune else []
    words += [] if options.toolchain == "auto" else ["--toolchain", options.toolchain]
    return Origin(model.path.name, model.sha256, " ".join(words))
