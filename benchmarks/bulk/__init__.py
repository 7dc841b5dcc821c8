"""What any number of orders costs: rows out, orders in."""
