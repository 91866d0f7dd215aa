"""The explicit table of targets: name → factory, imported on use, and third-party entry points."""
