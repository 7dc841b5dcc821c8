"""What users write, as type checkers see it. Never run: mypy and pyright read it.

Each checker must find the mistakes that are marked by itself (for pyright: see pyproject.toml), and a mark that is
not needed is an error. `tests/test_user_code.py` sees to it that all of the public interface is used here.
"""
