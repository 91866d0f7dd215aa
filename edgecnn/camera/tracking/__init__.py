"""Knowing things again from frame to frame."""
