"""Offers for Armv7E-M and Armv8-M with DSP: two 16-bit multiply-accumulates at a time."""
