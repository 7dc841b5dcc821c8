"""What a unit of work costs, from little work to much of it: a flat line is a cost that grows with the work."""
