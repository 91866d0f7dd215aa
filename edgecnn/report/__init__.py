"""One self-contained HTML file, the model card and the summary table: renders, never recomputes."""
