"""Recording beside the loop: Matroska segments, clips around events, snapshots."""
