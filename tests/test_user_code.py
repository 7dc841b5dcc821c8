"""The user code in `tests/typing`, which type checkers read, uses all of the public interface."""

import ast
import inspect
from pathlib import Path
from types import ModuleType

import pytest

import voucherify_async
from voucherify_async import (
    ExportJob,
    ImportJob,
    ImportResult,
    OrderListing,
    OrderReader,
    VoucherifyClient,
    emulator,
)
from voucherify_async.events import Event
from voucherify_async.resources.async_actions import AsyncActions, AsyncActionsWithHttpInfo
from voucherify_async.resources.exports import Exports, ExportsWithHttpInfo
from voucherify_async.resources.oauth import OAuth, OAuthWithHttpInfo
from voucherify_async.resources.orders import Orders, OrdersWithHttpInfo

FILES = sorted((Path(__file__).parent / "typing").glob("*.py"))
NODES = [node for file in FILES for node in ast.walk(ast.parse(file.read_text()))]
NAMES = {node.id for node in NODES if isinstance(node, ast.Name)}
ATTRIBUTES = [node for node in NODES if isinstance(node, ast.Attribute)]
WRITTEN = {ast.unparse(node) for node in ATTRIBUTES}
RESOURCES = [
    ("orders", Orders, OrdersWithHttpInfo),
    ("async_actions", AsyncActions, AsyncActionsWithHttpInfo),
    ("exports", Exports, ExportsWithHttpInfo),
    ("oauth", OAuth, OAuthWithHttpInfo),
]


@pytest.mark.parametrize("module", [voucherify_async, emulator])
def test_every_public_name_is_used(module: ModuleType) -> None:
    assert set(module.__all__) - NAMES == set()


def test_every_event_is_used() -> None:
    assert {kind.__name__ for kind in Event.__args__} - NAMES == set()


def public_names(kind: type) -> set[str]:
    of_ours = [vars(cls) for cls in kind.__mro__ if cls.__module__.startswith("voucherify_async")]
    return {
        name
        for names in of_ours
        for name, value in names.items()
        if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, property | classmethod))
    }


@pytest.mark.parametrize(
    "kind", [VoucherifyClient, ImportJob, ExportJob, ImportResult, OrderListing, OrderReader, emulator.Emulator]
)
def test_every_public_method_is_used(kind: type) -> None:
    assert public_names(kind) - {node.attr for node in ATTRIBUTES} == set()


@pytest.mark.parametrize(("home", "resource", "twins"), RESOURCES)
def test_every_method_of_a_resource_and_its_twin_is_used(home: str, resource: type, twins: type) -> None:
    assert {f"client.{home}.{name}" for name in public_names(resource)} - WRITTEN == set()
    assert {f"client.{home}.with_http_info.{name}" for name in public_names(twins)} - WRITTEN == set()
