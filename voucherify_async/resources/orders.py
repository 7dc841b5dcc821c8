"""Orders: the six endpoints."""

import builtins
import datetime
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import islice
from os import PathLike
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from voucherify_async.call import Call, json_decoder
from voucherify_async.errors import ConfigurationError
from voucherify_async.events import JobSeen
from voucherify_async.exportquery import OrderExportOrder, export_body
from voucherify_async.inputs import check_type, checked_json
from voucherify_async.jobs import DEFAULT_WAIT_SECONDS, ExportJob, ImportJob
from voucherify_async.models.jobs import AsyncAction, Export
from voucherify_async.models.orders import Id, NewOrder, Order, OrderChanges, OrderPage
from voucherify_async.options import check_choice, check_file, check_function, check_range, check_seconds
from voucherify_async.poller import Poller
from voucherify_async.resources.endpoint import Resource, WithHttpInfo, endpoint, with_http_info
from voucherify_async.resources.exports import Exports
from voucherify_async.session import CallOptions, SessionManager
from voucherify_async.urls import query_string, quoted_id

if TYPE_CHECKING:
    from voucherify_async.bulk.exports import ExportedRows
    from voucherify_async.bulk.reports import BulkProgress, BulkReport, OrderFailure
    from voucherify_async.listing import OrderListing

OrderListOrder = Literal["created_at", "-created_at", "updated_at", "-updated_at"]

MAX_IMPORT: Final = 2000
MAX_IMPORT_BYTES: Final = 8 * 1024 * 1024


class _ImportAccepted(msgspec.Struct, frozen=True):
    async_action_id: Id


class _ExportAccepted(msgspec.Struct, frozen=True):
    id: Id


_decode_order = json_decoder(Order)
_decode_page = json_decoder(OrderPage)
_decode_accepted_export = json_decoder(_ExportAccepted)
_decode_accepted_import = json_decoder(_ImportAccepted)

# What is sent is read back as its own type first: that checks types and limits in one go, and names the place.
_check_new: Callable[[bytes], object] = msgspec.json.Decoder(NewOrder).decode
_check_changes: Callable[[bytes], object] = msgspec.json.Decoder(OrderChanges).decode
_check_import: Callable[[bytes], object] = msgspec.json.Decoder(list[NewOrder]).decode


class Orders(Resource):
    """`client.orders`."""

    def __init__(
        self,
        session: SessionManager,
        options: CallOptions,
        imports: Poller[AsyncAction],
        exports: Poller[Export],
    ) -> None:
        super().__init__(session, options)
        self._imports = imports
        self._exports = exports

    @property
    def with_http_info(self) -> "OrdersWithHttpInfo":
        """The same six methods, which return an `ApiResponse`."""
        return OrdersWithHttpInfo(self)

    @endpoint
    def create(self, order: NewOrder) -> Call[Order]:
        """Create an order, or update the one that has the same `id` or `source_id`.

        Args:
            order: at most 500 items. Give it a `source_id`: only then is it safe to repeat.

        Returns:
            The order as it is stored now.

        Raises:
            ConfigurationError: a field does not fit; nothing was sent.
            BadRequestError: the service refuses it.

        Repeated after a failure: with an `id` or a `source_id`, yes; without either, only if the service
        certainly did not do it, else the error says `outcome_unknown`.
        Source: OpenAPI v2018-08-01, `POST /v1/orders`.
        """
        check_type("order", order, NewOrder)
        body = checked_json("order", order, _check_new)
        return Call("POST", "/v1/orders", _decode_order, body=body, repeatable=order.key is not None)

    @endpoint
    def get(self, order_id: str) -> Call[Order]:
        """Fetch an order.

        Args:
            order_id: Voucherify's id or the merchant's source id; any signs.

        Raises:
            NotFoundError: there is no such order.

        Repeated after a failure: yes.
        Source: OpenAPI v2018-08-01, `GET /v1/orders/{orderId}`.
        """
        return Call("GET", f"/v1/orders/{quoted_id('order_id', order_id)}", _decode_order)

    @endpoint
    def list(
        self, *, limit: int | None = None, page: int | None = None, order: OrderListOrder | None = None
    ) -> Call[OrderPage]:
        """List orders, a page at a time. `iterate` lists all, up to 10,000; an export reaches any number.

        Args:
            limit: 1 to 100 a page; the service gives 10 without.
            page: 1 to 100.
            order: what they are sorted by; a dash in front turns it round. Without, the newest come
                first in the example of the document, which says nothing else of it.

        Repeated after a failure: yes.
        Source: OpenAPI v2018-08-01, `GET /v1/orders`.
        """
        check_range("limit", limit, 1, 100)
        check_range("page", page, 1, 100)
        check_choice("order", order, OrderListOrder)
        query = query_string({"limit": limit, "page": page, "order": order})
        return Call("GET", "/v1/orders", _decode_page, query=query)

    def iterate(self, *, order: OrderListOrder = "created_at") -> "OrderListing":
        """List all orders: `async with client.orders.iterate() as orders: async for order in orders: ...`.

        Each order that is there when the last page is listed is given once, in the state in which it was first
        listed, however many are created and changed meanwhile. They come in the order asked for, but for those that
        a change moved past the reading: they are found by looking again and come last (or in between, if more than
        100 moved from one page to the next). With `created_at` none does, unless that time is set by hand.

        Pages of 100 are read ahead, one request at a time and at most two in store, from entering the context to
        leaving it. `orders.total` is how many orders there are, `orders.given` how many were given.

        Args:
            order: what they are sorted by; a dash in front turns it round.

        Raises:
            ConfigurationError: `order` does not fit, or the listing is used without its context.
            ListingCapError: there are more than 10,000, and those that listing reaches were given;
                `client.orders.export_rows` reaches all.
            ListingIncompleteError: the service tells of more orders than it lists, even when looked for again.
            ApiError, ConnectError, RequestTimeoutError, DecodeError: a page could not be listed; the orders before
                it were given.
            ClientClosedError: the client was closed meanwhile.

        Where the service does not tell how many orders there are, a short page is taken for the end, and nothing is
        looked for again.

        Repeated after a failure: yes, each page.
        Source: OpenAPI v2018-08-01, `GET /v1/orders`.
        """
        from voucherify_async.listing import OrderListing  # noqa: PLC0415 - spares importing it with the client

        check_type("order", order, str)
        check_choice("order", order, OrderListOrder)
        return OrderListing(self, self._session, order)

    @endpoint
    def update(self, order_id: str, changes: OrderChanges) -> Call[Order]:
        """Change an order. Fields that are not given stay as they are.

        Args:
            order_id: Voucherify's id or the merchant's source id; any signs.
            changes: at most 500 items; None clears a field.

        Returns:
            The order as it is stored now.

        Raises:
            ConfigurationError: a field does not fit; nothing was sent.
            NotFoundError: there is no such order.
            BadRequestError: the service refuses it.

        Repeated after a failure: yes.
        Source: OpenAPI v2018-08-01, `PUT /v1/orders/{orderId}`.
        """
        path = f"/v1/orders/{quoted_id('order_id', order_id)}"
        check_type("changes", changes, OrderChanges)
        body = checked_json("changes", changes, _check_changes)
        return Call("PUT", path, _decode_order, body=body)

    @endpoint
    def import_orders(self, orders: Iterable[NewOrder]) -> Call[ImportJob]:
        """Import historical orders in the background: `result = await (await client.orders.import_orders(...))`.

        The service runs one import of a project at a time and queues the others. It sends no webhooks for them,
        and the time of the import becomes their `created_at`.

        Args:
            orders: 1 to 2,000. Give each a `source_id`: only then is it safe to repeat.

        Returns:
            The job to await.

        Raises:
            ConfigurationError: a field or the number of orders does not fit; nothing was sent.
            BadRequestError: the service refuses it.

        Repeated after a failure: if every order has an `id` or a `source_id`, yes; else only if the service
        certainly did not do it.
        Source: OpenAPI v2018-08-01, `POST /v1/orders/import`.
        """
        check_type("orders", orders, Iterable)
        batch = builtins.list(islice(orders, MAX_IMPORT + 1))
        if not 1 <= len(batch) <= MAX_IMPORT:
            found = f"more than {MAX_IMPORT}" if batch else "none"
            raise ConfigurationError("orders", f"must be 1 to {MAX_IMPORT} orders, not {found}")
        for number, order in enumerate(batch):
            check_type(f"orders[{number}]", order, NewOrder)
        body = checked_json("orders", batch, _check_import)
        return self._import_call(body, keyed=all(order.key is not None for order in batch))

    def _import_call(self, body: bytes, *, keyed: bool) -> Call[ImportJob]:
        return Call("POST", "/v1/orders/import", self._accepted_import, body=body, repeatable=keyed, bulk=True)

    @endpoint
    def create_export(
        self,
        *,
        fields: Sequence[str] | None = None,
        filters: Mapping[str, Any] | None = None,
        order: OrderExportOrder | None = None,
    ) -> Call[ExportJob]:
        """Export orders to a CSV file in the background.

        Args:
            fields: the columns: `id source_id created_at updated_at status amount discount_amount
                items_discount_amount total_discount_amount total_amount customer_id referrer_id metadata`, and
                `metadata.X` for one key of it. The service gives `id`, `source_id` and `status` without.
            filters: such as `{"junction": "and", "amount": {"conditions": {"$more_than": 10000}}}`; datetimes in
                it must be aware.
            order: what the rows are sorted by; a dash in front turns it round.

        Returns:
            The job to await, to download or to stream rows from.

        Raises:
            ConfigurationError: an argument does not fit; nothing was sent.
            BadRequestError: a field or a filter is unknown.

        Repeated after a failure: yes; an export too many does no harm.
        Source: OpenAPI v2018-08-01, `POST /v1/orders/export`.
        """
        body = export_body(fields, filters, order)
        return Call("POST", "/v1/orders/export", self._accepted_export, body=body)

    async def import_all(
        self,
        source: Iterable[NewOrder] | AsyncIterable[NewOrder],
        *,
        checkpoint: str | PathLike[str] | None = None,
        on_progress: "Callable[[BulkProgress], object] | None" = None,
        on_failure: "Callable[[OrderFailure], object] | None" = None,
        allow_keyless: bool = False,
        max_bytes: int = MAX_IMPORT_BYTES,
        timeout: float | None = DEFAULT_WAIT_SECONDS,
        turn: AbstractAsyncContextManager[object] | None = None,
    ) -> "BulkReport":
        """Import any number of historical orders: one request for up to 2,000 of them after another.

        Each import is waited for before the next one is sent, while the next orders are read. At most two requests'
        orders are in memory. Orders that do not fit are failures, and so are those that the service does not
        import. A request that the service refuses is sent again in halves, until what it refuses is alone.

        Args:
            source: any iterable or async iterable of orders. It is read as fast as it is worked off; one that is
                not async must not block.
            checkpoint: a file that keeps what is done. A run that was stopped, cancelled or killed leaves it; the
                same call with the same source (the same keys in the same sequence: other values are not noticed)
                goes on with it, waits for the import that was under way and sends nothing again that was accepted.
                The file is removed when the run ends.
            on_progress: a function, async or not, called with how far it is, at most ten times a second and at the
                end.
            on_failure: a function, async or not, called with each order that failed, before it is counted. After a
                kill it may be called twice for the same one.
            allow_keyless: take orders without `source_id` and `id`. They are not sent twice: if it is not known
                what became of them the run stops, and a run that goes on reports them as failed with
                `outcome_unknown`.
            max_bytes: of a request's body, 8 MiB if not given; an order that is larger goes alone.
            timeout: seconds to wait for one import, an hour if not given; None for no limit.
            turn: entered for each import, before it is sent, and left when it was awaited: such as a `RedisLease`,
                by which runs on several machines take turns, or an `asyncio.Lock`. What it raises stops the run.

        Returns:
            The report: `read`, `done`, `failed` (each with key and reason), `retried`, `seconds`.

        Raises:
            ConfigurationError: an argument does not fit, or an entry of the source is no order or has no key; or
                another run has the checkpoint open, and its cause is a `BlockingIOError`. Nothing was sent.
            BulkStoppedError: the run could not go on, or an entry of the source does not fit when something was
                sent already; it has the `report`, and its cause says why.
            OSError: the checkpoint cannot be opened; nothing was sent.

        Repeated after a failure: a request in which every order has a key, yes; else only if the service certainly
        did not do it.
        Source: OpenAPI v2018-08-01, `POST /v1/orders/import`, `GET /v1/async-actions/{asyncActionId}`.
        """
        from voucherify_async.bulk.imports import Imports  # noqa: PLC0415 - spares importing it with the client

        check_range("max_bytes", max_bytes, 1, 2**40)
        check_seconds("timeout", timeout)
        if turn is not None and not isinstance(turn, AbstractAsyncContextManager):
            raise ConfigurationError("turn", f"must be an async context manager, not {type(turn).__name__}")
        _check_run(checkpoint, on_progress, on_failure)
        run = Imports(
            self,
            source,
            keyless=allow_keyless,
            most_bytes=max_bytes,
            timeout=timeout,
            turn=turn,
            checkpoint=checkpoint,
            on_progress=on_progress,
            on_failure=on_failure,
        )
        return await run.run()

    async def upsert_all(
        self,
        source: Iterable[NewOrder] | AsyncIterable[NewOrder],
        *,
        concurrency: int | None = None,
        checkpoint: str | PathLike[str] | None = None,
        on_progress: "Callable[[BulkProgress], object] | None" = None,
        on_failure: "Callable[[OrderFailure], object] | None" = None,
    ) -> "BulkReport":
        """Create or update any number of orders, each by its `source_id` or `id`, many at the same time.

        Two entries of one order are sent in the order in which they came, the second one when the first is
        answered. Entries are of one order if they share a `source_id` or an `id`; name an order in the same way
        each time. An order that does not fit, or that the service refuses, is a failure, and the others go on. So
        is one that the service fails at twice, with all attempts and others going through in between; if no other
        goes through either, the service is away, and the run stops.

        Args:
            source: any iterable or async iterable of orders. It is read as fast as it is worked off; one that is
                not async must not block.
            concurrency: calls at the same time, never more than the pool has connections; if not given, the run
                finds out how many bring the most.
            checkpoint: a file that keeps what is done. A run that was stopped, cancelled or killed leaves it; the
                same call with the same source (the same keys in the same sequence: other values are not noticed)
                goes on with it, and sends only those again that were under way. The file is removed when the run
                ends.
            on_progress: a function, async or not, called with how far it is, at most ten times a second and at the
                end.
            on_failure: a function, async or not, called with each order that failed, one at a time and before it is
                counted. After a kill it may be called twice for the same one.

        Returns:
            The report: `read`, `done`, `failed` (each with key and reason), `retried`, `seconds`.

        Raises:
            ConfigurationError: an argument does not fit, or an entry of the source is no order or has no key; or
                another run has the checkpoint open, and its cause is a `BlockingIOError`. Nothing was sent.
            BulkStoppedError: the run could not go on, or an entry of the source does not fit when something was
                sent already; it has the `report`, and its cause says why.
            OSError: the checkpoint cannot be opened; nothing was sent.

        Repeated after a failure: each call is, as `create` with a key.
        Source: OpenAPI v2018-08-01, `POST /v1/orders`, and `GET /v1/orders` where no other order is left to tell
        whether the service is there.
        """
        from voucherify_async.bulk.upserts import Upserts  # noqa: PLC0415 - spares importing it with the client

        check_range("concurrency", concurrency, 1, 65_536)
        _check_run(checkpoint, on_progress, on_failure)
        run = Upserts(
            self._session,
            self._options,
            source,
            concurrency=concurrency,
            checkpoint=checkpoint,
            on_progress=on_progress,
            on_failure=on_failure,
        )
        return await run.run()

    def export_rows(
        self,
        *,
        fields: Sequence[str] | None = None,
        filters: Mapping[str, Any] | None = None,
        order: OrderExportOrder | None = None,
        delete: bool = False,
        window: datetime.timedelta | None = None,
        timeout: float | None = DEFAULT_WAIT_SECONDS,
    ) -> "ExportedRows":
        """Export orders and stream their rows: `async with client.orders.export_rows() as rows`.

        It creates the export, waits for it, and gives its rows as they arrive. An order that is there all the time
        is given once. One that comes, goes or changes while the export is made may be in it or not.

        With `window`, a large project is exported in several files, each with the orders of such a span of
        `created_at`; the next one is made while one is read. What is said above then holds for each file. An order
        belongs to the window in which its `created_at` is, so one whose `created_at` is changed meanwhile may be
        missed or given twice.

        Args:
            fields, filters: as `create_export`. With `window`, filters by `created_at` and the junction `or` are
                refused.
            order: as `create_export`. With `window`, `created_at` or `-created_at`, which then hold over the whole;
                without, the oldest window comes first.
            delete: delete each export when its rows are read, and what there is of them when reading ends early or
                fails. A deletion that fails is no error; it is given ten seconds.
            window: a second at least, and so long that there are at most 1,000 windows.
            timeout: seconds to wait for each export, an hour if not given; None for no limit.

        Returns:
            A context whose value gives an `OrderRow` after another. It is read once.

        Raises:
            ConfigurationError: an argument does not fit; nothing was sent. On entering: there would be too many
                windows.
            ExportFailedError, JobTimeoutError, JobError: as awaiting an export; on entering, and between windows.
            ApiError, ConnectError, RequestTimeoutError: the service refuses it, or cannot be reached.
            DecodeError: a file does not fit, see `ExportJob.rows`.

        Repeated after a failure: yes, see `ExportJob.rows`.
        Source: OpenAPI v2018-08-01, `POST /v1/orders/export`; with `window` also `GET /v1/orders`, with `delete`
        also `DELETE /v1/exports/{exportId}`.
        """
        from voucherify_async.bulk.exports import ExportedRows  # noqa: PLC0415 - as above
        from voucherify_async.bulk.windows import check_window  # noqa: PLC0415 - as above

        check_seconds("timeout", timeout)
        check_type("delete", delete, bool)
        export_body(fields, filters, order)
        return ExportedRows(
            self,
            Exports(self._session, self._options),
            fields=fields,
            filters=filters,
            order=order,
            delete=delete,
            width=check_window(window, filters, order),
            timeout=timeout,
        )

    def import_job(self, job_id: str) -> ImportJob:
        """Take up waiting for an import that was started before, here or elsewhere. Sends nothing yet.

        Args:
            job_id: `aa_...`.
        """
        quoted_id("job_id", job_id)
        return ImportJob(job_id, self._imports)

    def export_job(self, job_id: str) -> ExportJob:
        """Take up an export that was started before, here or elsewhere. Sends nothing yet.

        Args:
            job_id: `exp_...`.
        """
        quoted_id("job_id", job_id)
        return ExportJob(job_id, self._exports, self._session, self._options)

    def _accepted_import(self, body: bytes | memoryview) -> ImportJob:
        job = self.import_job(_decode_accepted_import(body).async_action_id)
        self._session.reporter.tell(JobSeen("import", job.id, "ACCEPTED", None))
        return job

    def _accepted_export(self, body: bytes | memoryview) -> ExportJob:
        job = self.export_job(_decode_accepted_export(body).id)
        self._session.reporter.tell(JobSeen("export", job.id, "ACCEPTED", None))
        return job


def _check_run(checkpoint: object, on_progress: object, on_failure: object) -> None:
    if checkpoint is not None:
        check_file("checkpoint", checkpoint)
    check_function("on_progress", on_progress)
    check_function("on_failure", on_failure)


class OrdersWithHttpInfo(WithHttpInfo[Orders]):
    """`client.orders.with_http_info`."""

    create = with_http_info(Orders.create)
    get = with_http_info(Orders.get)
    list = with_http_info(Orders.list)
    update = with_http_info(Orders.update)
    import_orders = with_http_info(Orders.import_orders)
    create_export = with_http_info(Orders.create_export)
