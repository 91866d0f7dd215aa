"""Every figure of the README: ours and the peers', side by side in the same run."""
