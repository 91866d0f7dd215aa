"""Google Coral Edge TPU: predicts what the compiler maps, runs it where it is installed."""
