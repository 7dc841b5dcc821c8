"""The asyncio client for Voucherify's Orders API.

The names below are imported when one of them is asked for. The pytest plugin, which every run of pytest loads, and
the emulator, which shares nothing with the client, are part of this package too and need none of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from voucherify_async.version import VERSION as __version__

if TYPE_CHECKING:
    from msgspec import UNSET, UnsetType

    from voucherify_async.auth import ApiKeyAuth, Auth, BearerAuth, OAuthAuth, Sender
    from voucherify_async.bulk.reports import BulkProgress, BulkReport, OrderFailure
    from voucherify_async.call import ApiResponse
    from voucherify_async.client import VoucherifyClient
    from voucherify_async.clientoptions import ClientOptions
    from voucherify_async.clock import Clock
    from voucherify_async.errors import (
        ApiError,
        AuthenticationError,
        BadRequestError,
        BulkStoppedError,
        ClientClosedError,
        ConfigurationError,
        ConflictError,
        ConnectError,
        DecodeError,
        EventLoopError,
        ExportFailedError,
        ImportFailedError,
        JobError,
        JobTimeoutError,
        ListingCapError,
        ListingIncompleteError,
        LockedError,
        NotFoundError,
        PaymentRequiredError,
        PermissionDeniedError,
        PoolTimeoutError,
        RateLimitError,
        RequestTimeoutError,
        ServerError,
        SourceError,
        TransportError,
        VoucherifyError,
        WebhookError,
        WebhookPayloadError,
        WebhookSignatureError,
    )
    from voucherify_async.jobs import DownloadProgress, ExportJob, ImportJob
    from voucherify_async.listing import OrderListing
    from voucherify_async.models.jobs import (
        AsyncAction,
        AsyncActionPage,
        Export,
        ExportFile,
        ExportPage,
        ImportFailure,
        ImportResult,
    )
    from voucherify_async.models.oauth import OAuthToken, TokenIntrospection
    from voucherify_async.models.orders import (
        Address,
        Customer,
        NewOrder,
        Order,
        OrderChanges,
        OrderFields,
        OrderItem,
        OrderPage,
        OrderRedemption,
        OrderRow,
        Product,
        Sku,
        StoredAddress,
        StoredCustomer,
        StoredItem,
        StoredProduct,
        StoredSku,
    )
    from voucherify_async.options import PoolLimits, RetryPolicy, Timeouts
    from voucherify_async.ratelimit import HeaderRateLimiter, RateLimiter
    from voucherify_async.sources import BadLine, OrderReader, failure_line, read_orders

__all__ = [
    "UNSET",
    "Address",
    "ApiError",
    "ApiKeyAuth",
    "ApiResponse",
    "AsyncAction",
    "AsyncActionPage",
    "Auth",
    "AuthenticationError",
    "BadLine",
    "BadRequestError",
    "BearerAuth",
    "BulkProgress",
    "BulkReport",
    "BulkStoppedError",
    "ClientClosedError",
    "ClientOptions",
    "Clock",
    "ConfigurationError",
    "ConflictError",
    "ConnectError",
    "Customer",
    "DecodeError",
    "DownloadProgress",
    "EventLoopError",
    "Export",
    "ExportFailedError",
    "ExportFile",
    "ExportJob",
    "ExportPage",
    "HeaderRateLimiter",
    "ImportFailedError",
    "ImportFailure",
    "ImportJob",
    "ImportResult",
    "JobError",
    "JobTimeoutError",
    "ListingCapError",
    "ListingIncompleteError",
    "LockedError",
    "NewOrder",
    "NotFoundError",
    "OAuthAuth",
    "OAuthToken",
    "Order",
    "OrderChanges",
    "OrderFailure",
    "OrderFields",
    "OrderItem",
    "OrderListing",
    "OrderPage",
    "OrderReader",
    "OrderRedemption",
    "OrderRow",
    "PaymentRequiredError",
    "PermissionDeniedError",
    "PoolLimits",
    "PoolTimeoutError",
    "Product",
    "RateLimitError",
    "RateLimiter",
    "RequestTimeoutError",
    "RetryPolicy",
    "Sender",
    "ServerError",
    "Sku",
    "SourceError",
    "StoredAddress",
    "StoredCustomer",
    "StoredItem",
    "StoredProduct",
    "StoredSku",
    "Timeouts",
    "TokenIntrospection",
    "TransportError",
    "UnsetType",
    "VoucherifyClient",
    "VoucherifyError",
    "WebhookError",
    "WebhookPayloadError",
    "WebhookSignatureError",
    "__version__",
    "failure_line",
    "read_orders",
]

# In this order: the client imports most of what the others hold.
_HOMES = (
    *("client", "auth", "call", "clock", "errors", "jobs", "options", "ratelimit", "bulk.reports"),
    *("models.jobs", "models.oauth", "models.orders", "listing", "sources", "clientoptions"),
)

if not TYPE_CHECKING:  # a checker would take any name for one that is there

    def __getattr__(name: str) -> object:
        if name in __all__:
            for home in _HOMES:
                module = import_module(f"voucherify_async.{home}")
                if hasattr(module, name):
                    return globals().setdefault(name, getattr(module, name))
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
