"""The host's side of the line to a board: serial ports, TCP, pseudo-terminals, and the protocol."""
