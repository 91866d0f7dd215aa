"""Offers for Armv7-M without DSP: those of Armv6-M, at what they take there."""
