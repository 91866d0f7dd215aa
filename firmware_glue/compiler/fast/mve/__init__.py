"""Offers for Armv8.1-M with Helium: vectors of 128 bits."""
