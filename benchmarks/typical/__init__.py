"""The requests that typical jobs come to, with this client and with a loop over the official SDK."""
