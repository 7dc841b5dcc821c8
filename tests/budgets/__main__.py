"""`python -m tests.budgets`: the present counts beside their budgets, as TOML; `--renew` makes them the budgets."""

import argparse
import asyncio

from tests.budgets.calls import count_calls
from tests.budgets.imports import count_modules
from tests.budgets.jobs import count_requests
from tests.budgets.ledger import FILE, beside, budgets, renewed


def main() -> None:
    """Count, and print or write."""
    parser = argparse.ArgumentParser(prog="python -m tests.budgets", description=__doc__)
    parser.add_argument("--renew", action="store_true", help="write what is counted into budgets.toml")
    renew = parser.parse_args().renew
    counts = {**count_calls(), "requests": asyncio.run(count_requests()), "modules": count_modules()}
    text = FILE.read_text(encoding="utf-8")
    print("\n".join(beside(counts, budgets(text))), end="")
    if renew:
        FILE.write_text(renewed(text, counts), encoding="utf-8")


if __name__ == "__main__":
    main()
