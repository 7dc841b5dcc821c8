"""An emulator in a process of its own, by the command that users have."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.elsewhere import judged_python

PROGRAM = """
import argparse, sys
from voucherify_async.emulator import command
parser = argparse.ArgumentParser()
command.add_arguments(parser)
sys.exit(command.run(parser.parse_args()))
"""


class Served:
    """An emulator in a process of its own, as the API helper wants it."""

    def __init__(self, process: asyncio.subprocess.Process, lines: dict[str, str]) -> None:
        self.process = process
        self.url = lines["url"]
        self.app_id = lines["app id"]
        self.app_token = lines["app token"]
        self.seed = lines["seed"]

    async def end(self, number: int) -> int:
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 10)


@asynccontextmanager
async def serve(*arguments: str, **environment: str) -> AsyncIterator[Served]:
    process = await asyncio.create_subprocess_exec(
        *judged_python("-c", PROGRAM, *arguments),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    assert process.stdout is not None
    try:
        lines = [(await process.stdout.readline()).decode().rstrip("\n").partition(": ") for _ in range(4)]
        yield Served(process, {name: value for name, _, value in lines})
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
