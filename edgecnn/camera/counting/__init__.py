"""Counting what passes lines and the borders of zones."""
