"""Offers for Armv6-M and Armv7-M: two pixels share the 32 bits of one multiplication."""
