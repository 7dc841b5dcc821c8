"""An endpoint is described once: its method returns the `Call`; `@endpoint` makes that a method to await.

Its twin with the HTTP information comes from the same description, so the two cannot drift apart.
"""

import inspect
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from msgspec.structs import replace

from voucherify_async.call import ApiResponse, Call
from voucherify_async.secretive import hushed
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
        try:
            call = described(resource, *args, **kwargs)
        finally:
            del args, kwargs  # one may be a token, and a traceback may show its frames' variables
        return (await resource._session.send(call, resource._options, operation)).data

    described, operation = hushed(describe), _operation_of(describe)
    signature = inspect.signature(describe)
    (result,) = signature.return_annotation.__args__
    return _shown_with(method, signature.replace(return_annotation=result))


def with_http_info(
    method: Callable[Concatenate[R, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[WithHttpInfo[R], P], Coroutine[Any, Any, ApiResponse[T]]]:
    """The twin of an endpoint: the same arguments, and the whole answer instead of its data alone."""
    describe: Callable[Concatenate[R, P], Call[T]] = method.__wrapped__  # type: ignore[attr-defined]

    @wraps(describe)
    async def twin(twins: WithHttpInfo[R], /, *args: P.args, **kwargs: P.kwargs) -> ApiResponse[T]:
        resource = twins._resource
        try:
            call = replace(described(resource, *args, **kwargs), keep_body=True)
        finally:
            del args, kwargs  # as above
        return await resource._session.send(call, resource._options, operation)

    described, operation = hushed(describe), _operation_of(describe)
    signature = inspect.signature(method)
    response: Any = ApiResponse
    return _shown_with(twin, signature.replace(return_annotation=response[signature.return_annotation]))


def _operation_of(describe: Callable[..., Any]) -> str:
    """Such as `orders.create`: how users find it on the client."""
    return f"{describe.__module__.rpartition('.')[2]}.{describe.__name__}"


F = TypeVar("F", bound=Callable[..., Any])


def _shown_with(method: F, signature: inspect.Signature) -> F:
    """Let `help()` and `inspect.signature` show what awaiting the method gives, instead of the `Call`."""
    method.__signature__ = signature  # type: ignore[attr-defined]
    return method
