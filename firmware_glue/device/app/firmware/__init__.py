"""C of the firmware: the main loop and the protocol that it answers."""
