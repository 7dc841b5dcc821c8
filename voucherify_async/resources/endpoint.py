"""An endpoint is described once: its method returns the `Call`; `@endpoint` makes that a method to await.

Its twin with the HTTP information comes from the same description, so the two cannot drift apart.
"""

import inspect
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from voucherify_async.call import ApiResponse, Call
from voucherify_async.session import CallOptions, SessionManager

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R", bound="Resource")


class Resource:
    """A group of endpoints, bound to a client's session and to its options."""

    def __init__(self, session: SessionManager, options: CallOptions) -> None:
        self._session = session
        self._options = options


class WithHttpInfo(Generic[R]):
    """The twins of a resource's endpoints."""

    def __init__(self, resource: R) -> None:
        self._resource = resource


def endpoint(
    describe: Callable[Concatenate[R, P], Call[T]],
) -> Callable[Concatenate[R, P], Coroutine[Any, Any, T]]:
    """Make a method that sends the call which `describe` returns, and gives back the decoded result."""

    @wraps(describe)
    async def method(resource: R, /, *args: P.args, **kwargs: P.kwargs) -> T:
        call = describe(resource, *args, **kwargs)
        return (await resource._session.send(call, resource._options)).data

    return _show_result(method, describe)


def with_http_info(
    method: Callable[Concatenate[R, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[WithHttpInfo[R], P], Coroutine[Any, Any, ApiResponse[T]]]:
    """The twin of an endpoint: the same arguments, and the whole answer instead of its data alone."""
    describe: Callable[Concatenate[R, P], Call[T]] = method.__wrapped__  # type: ignore[attr-defined]

    @wraps(describe)
    async def twin(twins: WithHttpInfo[R], /, *args: P.args, **kwargs: P.kwargs) -> ApiResponse[T]:
        resource = twins._resource
        call = describe(resource, *args, **kwargs)
        return await resource._session.send(call, resource._options)

    return _show_result(twin, describe, within=ApiResponse)


F = TypeVar("F", bound=Callable[..., Any])


def _show_result(method: F, describe: Callable[..., Call[Any]], within: Any = None) -> F:
    """Let `help()` and `inspect.signature` show what awaiting the method gives, instead of the `Call`."""
    signature = inspect.signature(describe)
    (result,) = signature.return_annotation.__args__
    shown = signature.replace(return_annotation=result if within is None else within[result])
    method.__signature__ = shown  # type: ignore[attr-defined]
    return method
