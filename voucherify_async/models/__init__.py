"""The structs that are sent and received."""
