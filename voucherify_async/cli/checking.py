"""`check`: whether the service takes the keys, and what is left of its limits."""

import datetime
import os
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from voucherify_async import ApiResponse, OrderPage, RetryPolicy, VoucherifyClient, VoucherifyError
from voucherify_async.cli.output import print_facts, print_line
from voucherify_async.cli.running import DONE, SERVICE_FAILED, Surroundings, complain, run

__all__ = ["check"]

PATIENCE_SECONDS: Final = 30.0
# An id is public as far as a browser's script is, but of use to nobody here in full.
SHOWN_OF_ID: Final = 4


def check(*, as_json: bool) -> int:
    """Send one request and tell what came of it; the exit status."""

    async def work(client: VoucherifyClient, _: Surroundings) -> int:
        asked = {"service": client.base_url, "app_id": hint_at(os.environ.get("VOUCHERIFY_APP_ID", ""))}
        once = client.with_options(timeout=PATIENCE_SECONDS, retry=RetryPolicy(max_attempts=1))
        try:
            answer = await once.orders.with_http_info.list(limit=1)
        except VoucherifyError as error:
            complain(error)
            if as_json:
                print_line(msgspec.json.encode({"ok": False, **asked, "error": str(error)}))
            return SERVICE_FAILED
        learned = learned_from(answer)
        if as_json:
            print_line(msgspec.json.encode({"ok": True, **asked, **learned}))
        else:
            print_facts(for_people(asked, learned))
        return DONE

    return run(work)


def learned_from(answer: ApiResponse[OrderPage]) -> dict[str, Any]:
    """What an answer says of the project and of its limits; None for what it does not say."""
    retry_at = _number(answer.headers, "X-Rate-Limit-Retry")
    return {
        "orders": answer.data.total,
        "limit": _number(answer.headers, "X-Rate-Limit-Limit"),
        "remaining": _number(answer.headers, "X-Rate-Limit-Remaining"),
        "next_at": None if retry_at is None else datetime.datetime.fromtimestamp(retry_at, datetime.UTC),
        "seconds": round(answer.elapsed, 3),
        "request_id": answer.request_id,
    }


def hint_at(key: str) -> str:
    """So much of a key that its owner knows it again."""
    return f"{key[:SHOWN_OF_ID]}..." if len(key) > 2 * SHOWN_OF_ID else "..."


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else None


def for_people(asked: Mapping[str, str], learned: Mapping[str, Any]) -> dict[str, str]:
    limit, remaining = learned["limit"], learned["remaining"]
    left = "" if remaining is None else f", {remaining:,} left"
    return {
        "service": asked["service"],
        "keys": f"accepted, of the application {asked['app_id']}",
        "orders": "?" if learned["orders"] is None else f"{learned['orders']:,}",
        "limit": "none told" if limit is None else f"{limit:,} requests a period{left}",
        "answered": f"in {learned['seconds']} s",
    }
