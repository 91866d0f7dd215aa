"""Other quantizers, each a script for a Python of its own, and how those Pythons are made."""
