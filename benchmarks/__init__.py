"""What the client costs, measured side by side with what a user would write by hand."""
