"""Raspberry Pi with LiteRT."""
