"""What the loop says to whoever keeps it running."""
