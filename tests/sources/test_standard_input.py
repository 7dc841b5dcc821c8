"""Standard input, in a process of its own: piped, left open, and replaced."""

import gzip
import io
import subprocess
import sys

import pytest

from voucherify_async import ConfigurationError, read_orders

READ = """
import asyncio, sys
from voucherify_async.sources import read_orders

async def main():
    orders = read_orders("-", format=sys.argv[1] if len(sys.argv) > 1 else None)
    async for order in orders:
        print(order.key, flush=True)

asyncio.run(main())
"""

LEAVE = """
import asyncio
from voucherify_async.sources import read_orders

async def main():
    orders = read_orders("-")
    print((await anext(orders)).key, flush=True)
    waiting = asyncio.ensure_future(anext(orders))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    print("cancelled", waiting.cancelled(), flush=True)

asyncio.run(main())
print("ended", flush=True)
"""
COMMAND = [sys.executable, "-X", "dev", "-W", "error", "-c"]


@pytest.mark.parametrize(
    ("data", "arguments"),
    [
        (b'{"source_id":"a"}\n{"source_id":"b"}', []),
        (gzip.compress(b'{"source_id":"a"}\n{"source_id":"b"}'), []),
        (b"source_id\na\nb\n", ["csv"]),
    ],
)
def test_it_is_read_to_its_end(data: bytes, arguments: list[str]) -> None:
    done = subprocess.run([*COMMAND, READ, *arguments], input=data, capture_output=True, timeout=60, check=False)
    assert (done.stdout, done.stderr, done.returncode) == (b"a\nb\n", b"", 0)


def test_a_process_ends_while_its_input_stays_open() -> None:
    with subprocess.Popen(
        [*COMMAND, LEAVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write(b'{"source_id":"a"}\n{"source_')
        process.stdin.flush()
        try:
            assert process.stdout.read() == b"a\ncancelled True\nended\n"
            assert process.stderr.read() == b""
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()


async def test_one_that_was_replaced_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    replaced = io.TextIOWrapper(io.BytesIO(b'{"source_id":"a"}'))
    monkeypatch.setattr(sys, "stdin", replaced)
    assert [order.key async for order in read_orders("-")] == ["a"]
    with pytest.raises(ConfigurationError, match="source: is standard input, which has a name of its own: '-'"):
        read_orders(replaced.buffer)


def test_where_there_is_none_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ConfigurationError, match="source: there is no standard input"):
        read_orders("-")
