"""Run where the wheel is installed and nothing else: what a user can do who has the core alone. See noxfile.py.

A plain script, since there is no pytest. A surprise is an exception.
"""

import asyncio
import pkgutil
import re
import subprocess
import sys
import tempfile
from importlib import import_module
from importlib.metadata import distribution, distributions, entry_points
from pathlib import Path

import voucherify_async
from voucherify_async import (
    Customer,
    NewOrder,
    NotFoundError,
    OrderChanges,
    OrderItem,
    VoucherifyClient,
    read_orders,
)
from voucherify_async.emulator import Emulator

CORE = {"aiohttp", "anyio", "msgspec"}
# What the extras and the tests bring; none may be needed, so none may be there.
FOREIGN = {
    "click",
    "fastapi",
    "hypothesis",
    "mypy",
    "opentelemetry-api",
    "polars",
    "pytest",
    "redis",
    "rich",
    "ruff",
    "uvloop",
}

OF_EXTRAS = tuple(
    f"voucherify_async.{part}"
    for part in ("cli.", "integrations.fastapi", "integrations.otel", "integrations.redis")
)


def look_at_what_is_installed() -> None:
    package = distribution("voucherify-async")
    files = [str(file) for file in package.files or ()]
    assert "voucherify_async/py.typed" in files
    tops = {file.split("/")[0] for file in files if not file.startswith("..")}
    assert tops == {"voucherify_async", f"voucherify_async-{voucherify_async.__version__}.dist-info"}, tops
    assert package.version == voucherify_async.__version__
    needed = {re.split(r"\W", line)[0] for line in package.requires or () if "extra ==" not in line}
    assert needed == CORE, needed
    there = {one.name.lower() for one in distributions()}
    assert there.isdisjoint(FOREIGN), there & FOREIGN
    assert "voucherify_async.testing" in {one.value for one in entry_points(group="pytest11")}


def import_everything() -> None:
    """Only what is of an extra cannot be imported."""
    for name in voucherify_async.__all__:
        assert getattr(voucherify_async, name) is not None
    missing = {}
    for module in pkgutil.walk_packages(voucherify_async.__path__, "voucherify_async."):
        if module.name.endswith("__main__"):
            continue
        try:
            import_module(module.name)
        except ImportError as error:
            missing[module.name] = str(error)
    assert "voucherify-async[polars]" in missing.pop("voucherify_async.frames")
    assert "pytest" in missing.pop("voucherify_async.testing")
    for name, needed in missing.items():
        assert name.startswith(OF_EXTRAS), (name, needed)


async def use_one_order(client: VoucherifyClient) -> None:
    new = NewOrder(
        source_id="web-1",
        customer=Customer(source_id="c-1"),
        items=[OrderItem(source_id="sku-1", related_object="sku", quantity=2, price=1000)],
        metadata={"channel": "web"},
    )
    order = await client.orders.create(new)
    assert order.amount == 2000
    assert (await client.orders.get("web-1")).id == order.id
    assert (await client.orders.update(order.id, OrderChanges(status="PAID"))).status == "PAID"
    assert (await client.orders.list(limit=1)).total == 1
    assert (await client.orders.with_http_info.get("web-1")).status == 200
    try:
        await client.orders.get("none")
    except NotFoundError:
        pass
    else:
        raise AssertionError("an order was found that is not there")


async def use_many_orders(client: VoucherifyClient, folder: Path) -> None:
    result = await (await client.orders.import_orders([NewOrder(source_id="old-1", amount=1)]))
    assert (result.done_count, result.failed_count) == (1, 0)
    file = folder / "orders.csv"
    file.write_text("source_id,amount\ncsv-1,100\ncsv-2,200\n")
    assert (await client.orders.upsert_all(read_orders(file))).done == 2
    assert (await client.orders.import_all(NewOrder(source_id=f"new-{n}") for n in range(3))).done == 3
    async with client.orders.iterate() as orders:
        assert len([order async for order in orders]) == 7
    job = await client.orders.create_export(fields=["source_id", "amount"], order="created_at")
    assert (await job).status == "DONE"
    assert (await job.download(folder / "export.csv")).read_text().count("\n") >= 7
    async with job.rows() as rows:
        assert {row.source_id: row.amount async for row in rows}["csv-2"] == 200


async def use_the_client(folder: Path) -> None:
    async with Emulator() as emulator, emulator.client() as client:
        await use_one_order(client)
        await use_many_orders(client, folder)


def use_the_emulator_s_command() -> None:
    command = [sys.executable, "-I", "-m", "voucherify_async", "emulator"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url, app_id, app_token = (process.stdout.readline().split(": ")[1].strip() for _ in range(3))
            assert asyncio.run(count_orders(url, app_id, app_token)) == 0
        finally:
            process.terminate()
    assert process.returncode == 0


async def count_orders(url: str, app_id: str, app_token: str) -> int | None:
    async with VoucherifyClient(app_id, app_token, base_url=url) as client:
        return (await client.orders.list()).total


def use_the_other_commands() -> None:
    """One that needs an extra says so, and is no traceback."""
    script = Path(sys.executable).with_name("voucherify-async")
    refused = subprocess.run([script, "orders", "list"], capture_output=True, text=True, check=False)
    assert (refused.returncode, "voucherify-async[cli]" in refused.stderr) == (2, True), refused


if __name__ == "__main__":
    look_at_what_is_installed()
    import_everything()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(use_the_client(Path(folder)))
    use_the_emulator_s_command()
    use_the_other_commands()
    print(f"{voucherify_async.__name__} {voucherify_async.__version__} does its work alone")
