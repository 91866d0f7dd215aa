"""From samples to ranges: checked streams, observers, and warnings about what the samples are."""
