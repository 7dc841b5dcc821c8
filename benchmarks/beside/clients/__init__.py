"""How each client does the three calls. Each is run by an interpreter that has what it needs, and no more.

`open_calls(url)` gives the calls by name, each taking a number; `codecs()` what it decodes and encodes with.
"""
