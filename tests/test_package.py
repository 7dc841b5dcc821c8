"""The package as a whole: its names, its imports, its docstrings."""

import ast
import inspect
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import voucherify_async
from voucherify_async.resources.async_actions import AsyncActions
from voucherify_async.resources.endpoint import WithHttpInfo
from voucherify_async.resources.exports import Exports
from voucherify_async.resources.oauth import OAuth
from voucherify_async.resources.orders import Orders

PACKAGE = Path(voucherify_async.__file__).parent
MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages([str(PACKAGE)], "voucherify_async.")
    if not name.endswith("__main__")
]
OTHERS = (
    "voucherify_async.emulator",
    "voucherify_async.cli",
    "voucherify_async.testing",
    "voucherify_async.__main__",
)


def is_other(name: str) -> bool:
    return any(name == other or name.startswith(f"{other}.") for other in OTHERS)


CLIENT = [name for name in MODULES if not is_other(name)]
EMULATOR = [name for name in MODULES if name.startswith("voucherify_async.emulator")]


def imports_of(name: str, *, also_in_functions: bool) -> set[str]:
    """The modules of this package that a module imports, as its source says."""
    module = import_module(name)
    tree = ast.parse(inspect.getsource(module))
    body = ast.walk(tree) if also_in_functions else iter(_at_import(tree))
    found: set[str] = set()
    for node in body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{name} imports by dots"
            found.add(node.module)
    return {one for one in found if one.split(".")[0] == "voucherify_async"}


def _at_import(tree: ast.Module) -> list[ast.AST]:
    """What runs at import: no function bodies, nothing that is there for type checkers alone."""
    found: list[ast.AST] = []
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        found.append(node)
        for child in ast.iter_child_nodes(node):
            only_types = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
            if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not only_types:
                waiting.append(child)
    return found


@pytest.mark.parametrize("name", EMULATOR)
def test_the_emulator_shares_nothing_with_the_client(name: str) -> None:
    foreign = {
        one for one in imports_of(name, also_in_functions=False) if not one.startswith("voucherify_async.emulator")
    }
    assert foreign == set()
    anywhere = {
        one for one in imports_of(name, also_in_functions=True) if not one.startswith("voucherify_async.emulator")
    }
    # Emulator.client() makes a client for the user; that is all.
    assert anywhere <= ({"voucherify_async"} if name.endswith(".server") else set())


@pytest.mark.parametrize("name", CLIENT)
def test_the_client_knows_neither_emulator_nor_command_line(name: str) -> None:
    assert not [one for one in imports_of(name, also_in_functions=True) if is_other(one)]


def loaded_by(code: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after some code."""
    command = [sys.executable, "-c", f"import sys; {code}; print(*sorted(sys.modules))"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_importing_the_client_imports_no_more_than_it_needs() -> None:
    loaded = loaded_by("from voucherify_async import VoucherifyClient")
    assert "voucherify_async.session" in loaded
    assert not [name for name in loaded if is_other(name)]
    # Needed by downloads alone, or by other parts.
    assert not loaded & {"csv", "anyio.to_thread", "rich", "sqlite3", "aiohttp.web", "pytest"}


@pytest.mark.parametrize("code", ["import voucherify_async", "import voucherify_async.testing"])
def test_what_needs_no_client_loads_none(code: str) -> None:
    assert not loaded_by(code) & {"aiohttp", "msgspec", "voucherify_async.client"}


def test_only_the_integration_of_a_framework_needs_it() -> None:
    code = "sys.modules['fastapi'] = None; import voucherify_async.webhooks"
    loaded = loaded_by(f"{code}; import voucherify_async.integrations.aiohttp")
    assert not loaded & {"starlette", "pydantic"}
    assert "voucherify_async.webhooks" not in loaded_by("from voucherify_async import VoucherifyClient")
    with pytest.raises(subprocess.CalledProcessError):
        loaded_by(f"{code}; import voucherify_async.integrations.fastapi")


def test_the_emulator_loads_nothing_of_the_client() -> None:
    ours = {name for name in loaded_by("import voucherify_async.emulator") if name.startswith("voucherify_async")}
    assert {name for name in ours if not name.startswith("voucherify_async.emulator")} == {
        "voucherify_async",
        "voucherify_async.version",
    }


def test_all_is_exact() -> None:
    tree = ast.parse(inspect.getsource(voucherify_async))
    named = [
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module not in {"importlib", "typing"}
        for alias in node.names
    ]
    assert sorted(voucherify_async.__all__) == sorted(named)
    assert set(voucherify_async.__all__) <= set(dir(voucherify_async))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module not in {"importlib", "typing"}:
            for alias in node.names:
                expected = getattr(import_module(str(node.module)), alias.name)
                assert getattr(voucherify_async, alias.asname or alias.name) is expected
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        voucherify_async.Nothing  # type: ignore[attr-defined] # noqa: B018


@pytest.mark.parametrize("name", voucherify_async.__all__)
def test_everything_public_has_a_docstring(name: str) -> None:
    value = getattr(voucherify_async, name)
    if not inspect.isclass(value):
        return
    assert value.__doc__
    assert inspect.cleandoc(value.__doc__).splitlines()[0]
    for method_name, method in vars(value).items():
        if inspect.isfunction(method) and not method_name.startswith("_"):
            assert method.__doc__, f"{name}.{method_name}"


# Many calls each.
RUNS = {"import_all", "upsert_all"}
ENDPOINTS = [
    (resource, name)
    for resource in (Orders, AsyncActions, Exports, OAuth)
    for name, method in vars(resource).items()
    if inspect.iscoroutinefunction(method) and name not in RUNS
]


def test_all_endpoints_are_there() -> None:
    assert {name for resource, name in ENDPOINTS if resource is Orders} == {
        "create",
        "get",
        "list",
        "update",
        "import_orders",
        "create_export",
    }
    assert len(ENDPOINTS) == 14


@pytest.mark.parametrize(("resource", "name"), ENDPOINTS, ids=lambda value: getattr(value, "__name__", value))
def test_an_endpoint_says_what_it_does_and_has_its_twin(resource: type, name: str) -> None:
    method = getattr(resource, name)
    doc = inspect.getdoc(method) or ""
    assert "Repeated after a failure:" in doc
    assert "Source: OpenAPI v2018-08-01, `" in doc
    (twins,) = [cls for cls in WithHttpInfo.__subclasses__() if cls.__name__ == f"{resource.__name__}WithHttpInfo"]
    twin = getattr(twins, name)
    ours, theirs = inspect.signature(method), inspect.signature(twin)
    assert list(ours.parameters.values()) == list(theirs.parameters.values())
    assert theirs.return_annotation.__origin__ is voucherify_async.ApiResponse
    assert theirs.return_annotation.__args__ == (ours.return_annotation,)
    assert inspect.getdoc(twin) == doc


@pytest.mark.parametrize("name", sorted(RUNS))
def test_a_run_says_what_it_does(name: str) -> None:
    doc = inspect.getdoc(getattr(Orders, name)) or ""
    for part in ("Args:", "Returns:", "Raises:", "Repeated after a failure:", "Source: OpenAPI v2018-08-01, `"):
        assert part in doc


def test_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()


def test_the_version_is_the_distribution_s() -> None:
    from importlib.metadata import version

    assert version("voucherify-async") == voucherify_async.__version__
