"""Emulators behind one protocol (:mod:`firmware_glue.device.emulate.base`)."""
