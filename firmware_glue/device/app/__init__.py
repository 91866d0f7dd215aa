"""C of the programs that run on a board: start-up, memory functions, the measuring program."""
