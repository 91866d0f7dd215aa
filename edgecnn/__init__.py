"""edgecnn: take a CNN defined in Keras to the device on your desk, fast and correct."""

__version__ = "0.1.0"
