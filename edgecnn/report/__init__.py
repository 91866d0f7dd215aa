"""Renders what was measured: self-contained HTML, model card; never recomputes."""
