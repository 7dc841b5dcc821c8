"""The resources of the API: one short description per endpoint."""
