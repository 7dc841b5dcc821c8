"""Single calls with this client beside the same calls with others, against a server that gives fixed answers."""
