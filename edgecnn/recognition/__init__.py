"""What a stranger's model is: its kind of outputs and its input, from evidence in the file."""
