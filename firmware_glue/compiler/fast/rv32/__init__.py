"""Offers for RV32IM."""
