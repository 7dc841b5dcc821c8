"""Things that people do, each runnable as it is."""
