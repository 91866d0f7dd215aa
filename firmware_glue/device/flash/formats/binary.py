"""Writes a plain binary: byte 0 belongs to the flash origin."""

from __future__ import annotations

from firmware_glue.device.flash.formats.flat import FlatImage


def write_binary(image: FlatImage) -> bytes:
    """The flat image's bytes; the reader has to know the flash origin."""
    return image.data
