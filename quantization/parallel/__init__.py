"""Where independent pieces of work run: here, in processes, on a cluster."""
