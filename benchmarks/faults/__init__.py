"""What is lost and what is done twice when a fifth of all requests goes wrong, counted on the server."""
