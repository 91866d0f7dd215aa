"""Data sources, formats, splits and augmentation."""
