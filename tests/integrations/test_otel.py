"""Traces and metrics by OpenTelemetry, as the real SDK keeps them."""

import asyncio
import contextvars
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Histogram, HistogramDataPoint, InMemoryMetricReader, Sum
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import NoOpTracerProvider, SpanContext, SpanKind

from tests.fakes import FakeClock, until
from tests.secretwatch import SecretWatch
from tests.test_package import ENDPOINTS, loaded_by
from voucherify_async import (
    ConfigurationError,
    ConnectError,
    ImportFailedError,
    JobTimeoutError,
    NewOrder,
    NotFoundError,
    OAuthAuth,
    RateLimitError,
    RetryPolicy,
)
from voucherify_async.emulator import Emulator, Fault
from voucherify_async.events import (
    AttemptEnded,
    AttemptStarted,
    CallEnded,
    CallInfo,
    CallStarted,
    JobSeen,
    JobWaitEnded,
    JobWaitStarted,
    Waiting,
    WaitReason,
)
from voucherify_async.integrations.otel import OpenTelemetry
from voucherify_async.integrations.otelmeters import TEMPLATES

ONCE = RetryPolicy(max_attempts=1)
CREATE = CallInfo(1, "orders.create", "POST", "/v1/orders", "https://api.voucherify.io/v1/orders")


class Unended(SpanProcessor):
    """Counts the spans that are under way."""

    def __init__(self) -> None:
        self.count = 0

    def on_start(self, span: object, parent_context: object = None) -> None:
        self.count += 1

    def on_end(self, span: object) -> None:
        self.count -= 1


class Collector:
    """What a collector gets."""

    def __init__(self, clock: FakeClock) -> None:
        self.unended = Unended()
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracers.add_span_processor(self.unended)
        self.meters = MeterProvider([self._reader])
        self.tracer = self.tracers.get_tracer("shop")
        self.hook = OpenTelemetry(self.tracers, self.meters, clock=clock)

    def spans(self, name: str = "") -> list[ReadableSpan]:
        """Those that have ended, in the sequence in which they began."""
        ended = self._exporter.get_finished_spans()
        return [span for span in sorted(ended, key=began) if name in ("", span.name)]

    def tree(self) -> list[str]:
        """A line for each span and each event, further in the deeper it is."""
        return list(self._below(None, ""))

    def _below(self, parent: int | None, margin: str) -> Iterator[str]:
        for span in self.spans():
            if (None if span.parent is None else span.parent.span_id) == parent:
                yield margin + span.name
                for event in span.events:
                    said = " ".join(str(value) for name, value in attributes_of(event).items() if says(name))
                    yield f"{margin}  * {event.name.removeprefix('voucherify.')}: {said}"
                yield from self._below(id_of(span), margin + "  ")

    def measured(self) -> dict[str, list[tuple[Mapping[str, Any], Any]]]:
        """By metric: attributes and a point, which is a sum or a histogram's."""
        data = self._reader.get_metrics_data()
        found: dict[str, list[tuple[Mapping[str, Any], Any]]] = {}
        for resource in [] if data is None else data.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    assert isinstance(metric.data, Histogram | Sum)
                    found[metric.name] = [
                        (dict(point.attributes or {}), point) for point in metric.data.data_points
                    ]
        return found

    def all_text(self) -> Iterator[str]:
        """All that leaves the process."""
        for span in self.spans():
            yield span.to_json()
        if (data := self._reader.get_metrics_data()) is not None:
            yield data.to_json()


def began(span: ReadableSpan) -> int:
    return span.start_time or 0


def says(name: str) -> bool:
    return name.rpartition(".")[2] not in {"seconds", "request_id"}


def id_of(span: ReadableSpan) -> int:
    context: SpanContext | None = span.get_span_context()
    assert context is not None
    return context.span_id


def attributes_of(told: Any) -> dict[str, Any]:
    return dict(told.attributes or {})


def linked(span: ReadableSpan) -> set[int]:
    return {link.context.span_id for link in span.links}


@pytest.fixture
def collector(clock: FakeClock, secret_watch: SecretWatch) -> Iterator[Collector]:
    """Whatever a test does, what is collected holds no secret, and nothing stays under way."""
    collector = Collector(clock)
    yield collector
    for text in collector.all_text():
        secret_watch.hear("what is sent to a collector", text)
    for span in collector.spans():
        template, path = attributes_of(span).get("url.template"), attributes_of(span).get("url.full", "")
        if template is not None:
            assert re.fullmatch(re.sub(r"\{\w+\}", "[^/?]+", template), urlsplit(path).path)
    assert not [point for _, point in collector.measured().get("http.client.active_requests", []) if point.value]
    assert collector.unended.count == 0
    assert not trace.get_current_span().get_span_context().is_valid


# --- Calls ------------------------------------------------------------------------------------------------------


async def test_a_call_is_a_client_span_with_the_attributes_of_the_conventions(
    emulator: Emulator, clock: FakeClock, collector: Collector
) -> None:
    async with emulator.client(on_event=collector.hook, clock=clock) as client:
        with collector.tracer.start_as_current_span("checkout"):
            await client.orders.create(NewOrder(source_id="web-1"))
            await client.orders.get("web-1")
            await client.request("GET", "/v1/orders/web-1", query={"hush": "hush"})
    assert collector.tree() == [
        "checkout",
        "  POST /v1/orders",
        "    * attempt: 1 200",
        "  GET /v1/orders/{orderId}",
        "    * attempt: 1 200",
        "  GET",
        "    * attempt: 1 200",
    ]
    (span,) = collector.spans("GET /v1/orders/{orderId}")
    assert span.kind is SpanKind.CLIENT
    assert span.status.is_unset
    assert attributes_of(span) == {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "server.port": urlsplit(emulator.url).port,
        "url.full": f"{emulator.url}/v1/orders/web-1",
        "url.template": "/v1/orders/{orderId}",
        "voucherify.operation": "orders.get",
        "http.response.status_code": 200,
    }
    (free,) = collector.spans("GET")
    assert attributes_of(free)["url.full"] == f"{emulator.url}/v1/orders/web-1"
    (request_id,) = [attributes_of(event)["voucherify.request_id"] for event in span.events]
    assert request_id.startswith("v-")


async def test_a_repeat_is_told_in_the_span_of_its_call(
    emulator: Emulator, clock: FakeClock, collector: Collector
) -> None:
    emulator.faults.add(Fault(kind="status", status=503), Fault(kind="drop", when="after"))
    async with emulator.client(on_event=collector.hook, clock=clock) as client:
        await client.orders.create(NewOrder(source_id="o-1"))
    assert collector.tree() == [
        "POST /v1/orders",
        "  * attempt: 1 503 ServerError",
        "  * wait: repeat",
        "  * attempt: 2 ConnectError",
        "  * wait: repeat",
        "  * attempt: 3 200",
    ]
    (span,) = collector.spans()
    assert attributes_of(span)["http.request.resend_count"] == 2
    waits = [attributes_of(event).get("voucherify.wait.seconds") for event in span.events]
    assert waits == [None, 0.125, None, 0.25, None]


async def test_errors_are_told(emulator: Emulator, clock: FakeClock, collector: Collector) -> None:
    async with emulator.client(on_event=collector.hook, retry=ONCE, clock=clock) as client:
        with pytest.raises(NotFoundError):
            await client.orders.get("nowhere")
        emulator.faults.add(Fault(kind="drop", when="after"))
        with pytest.raises(ConnectError):
            await client.orders.create(NewOrder(amount=1))
    spans = collector.spans()
    assert [span.status.is_ok or span.status.is_unset for span in spans] == [False, False]
    told = ("error.type", "http.response.status_code", "voucherify.outcome_unknown")
    assert [tuple(attributes_of(span).get(name) for name in told) for span in spans] == [
        ("NotFoundError", 404, False),
        ("ConnectError", None, True),
    ]
    requests = collector.measured()["http.client.request.duration"]
    assert [(found["error.type"], point.count) for found, point in requests] == [
        ("NotFoundError", 1),
        ("ConnectError", 1),
    ]


async def test_a_cancelled_call_ends_its_span_and_gives_its_place_back(
    emulator: Emulator, collector: Collector
) -> None:
    emulator.faults.add(Fault(kind="delay", delay=30, times=None))
    current: list[trace.Span] = []

    async def checkout() -> None:
        with collector.tracer.start_as_current_span("checkout") as span:
            try:
                await client.orders.list()
            finally:
                current.extend([span, trace.get_current_span()])

    async with emulator.client(on_event=collector.hook) as client:
        task = asyncio.create_task(checkout())
        await until(lambda: len(emulator.requests) == 1)
        task.cancel()
        await asyncio.wait([task])
    assert current[0] is current[1]
    (span,) = collector.spans("GET /v1/orders")
    assert attributes_of(span)["error.type"] == "CancelledError"
    assert collector.tree()[:2] == ["checkout", "  GET /v1/orders"]


async def test_calls_side_by_side_stay_below_those_who_made_them(
    emulator: Emulator, clock: FakeClock, collector: Collector
) -> None:
    emulator.faults.add(Fault(kind="status", status=503, times=5))
    async with emulator.client(on_event=collector.hook, clock=clock) as client:

        async def checkout(number: int) -> None:
            with collector.tracer.start_as_current_span(f"checkout {number}") as span:
                for _ in range(3):
                    await client.orders.create(NewOrder(source_id=f"o-{number}"))
                    assert trace.get_current_span() is span
                await client.orders.get(f"o-{number}")

        await asyncio.gather(*(checkout(number) for number in range(20)))
    by_id = {id_of(span): span for span in collector.spans()}
    for number in range(20):
        (parent,) = collector.spans(f"checkout {number}")
        below = [span for span in by_id.values() if span.parent and span.parent.span_id == id_of(parent)]
        assert len(below) == 4
        assert attributes_of(below[-1])["url.full"].endswith(f"/o-{number}")


async def test_a_token_is_fetched_below_the_call_that_needs_it(
    emulator: Emulator, clock: FakeClock, collector: Collector
) -> None:
    auth = OAuthAuth(emulator.app_id, emulator.app_token)
    async with emulator.client(auth=auth, on_event=collector.hook, clock=clock) as client:
        await client.orders.list()
    assert [line for line in collector.tree() if "*" not in line] == ["GET /v1/orders", "  POST /v1/oauth/token"]


# --- Jobs -------------------------------------------------------------------------------------------------------


async def test_a_sync_job_reads_as_it_went(emulator: Emulator, clock: FakeClock, collector: Collector) -> None:
    emulator.import_seconds = 0
    async with emulator.client(on_event=collector.hook, clock=clock) as client:
        emulator.faults.add(Fault(kind="status", status=429, headers={"Retry-After": "7"}))
        with pytest.raises(RateLimitError):
            await client.with_options(retry=ONCE).orders.list()
        emulator.faults.add(Fault(kind="status", status=503))
        with collector.tracer.start_as_current_span("nightly sync"):
            orders = [NewOrder(source_id=f"o-{number}", amount=number) for number in range(2)]
            await client.orders.upsert_all(orders, concurrency=1)
            await client.orders.import_all(orders)
    assert collector.tree() == [
        "GET /v1/orders",
        "  * attempt: 1 429 RateLimitError",
        "nightly sync",
        "  orders.upsert_all",
        "    POST /v1/orders",
        "      * wait: rate_limit",
        "      * attempt: 1 503 ServerError",
        "      * wait: repeat",
        "      * attempt: 2 200",
        "    POST /v1/orders",
        "      * attempt: 1 200",
        "  orders.import_all",
        "    POST /v1/orders/import",
        "      * attempt: 1 200",
        "    import job",
        "      * job.seen: DONE 100",
        "      GET /v1/async-actions/{asyncActionId}",
        "        * attempt: 1 200",
    ]
    (run,) = collector.spans("orders.upsert_all")
    assert attributes_of(run) == {
        "voucherify.run.read": 2,
        "voucherify.run.done": 2,
        "voucherify.run.failed_count": 0,
        "voucherify.run.retried": 1,
        "voucherify.run.skipped": 0,
    }
    assert len(collector.measured()["voucherify.client.limiter.wait"]) == 1


@pytest.mark.parametrize("kind", ["upsert_all", "import_all"])
async def test_a_run_that_is_cancelled_ends_all_that_is_below_it(
    emulator: Emulator, collector: Collector, kind: str
) -> None:
    emulator.faults.add(Fault(kind="delay", delay=30, times=None))
    async with emulator.client(on_event=collector.hook) as client:
        orders = [NewOrder(source_id=f"o-{number}") for number in range(8)]
        task = asyncio.create_task(getattr(client.orders, kind)(orders))
        await until(lambda: len(emulator.requests) > 0)
        task.cancel()
        await asyncio.wait([task])
    run, *calls = collector.spans()
    assert run.name == f"orders.{kind}"
    assert calls
    for span in (run, *calls):
        assert attributes_of(span)["error.type"] == "CancelledError"
    assert {span.parent.span_id for span in calls if span.parent} == {id_of(run)}


async def test_a_job_is_linked_to_the_call_that_started_it(
    emulator: Emulator, clock: FakeClock, collector: Collector
) -> None:
    emulator.import_seconds = emulator.export_seconds = 0
    async with emulator.client(on_event=collector.hook, clock=clock) as client:
        job = await client.orders.import_orders([NewOrder(source_id="o-1")])
        await job
        export = await client.orders.create_export()
        async with export.rows() as rows:
            assert len([row async for row in rows]) == 1
    for kind, name in (("import", "POST /v1/orders/import"), ("export", "POST /v1/orders/export")):
        (waited,), (started,) = collector.spans(f"{kind} job"), collector.spans(name)
        assert linked(waited) == {id_of(started)}
        assert waited.parent is None
        job_id = attributes_of(started)["voucherify.job.id"]
        assert attributes_of(waited)["voucherify.job.id"] == job_id
    assert [line for line in collector.tree() if "*" not in line][3:] == [
        "POST /v1/orders/export",
        "export job",
        "  GET /v1/exports/{exportId}",
        "GET /v1/exports/{exportId}",  # the file
    ]


async def test_a_job_that_is_taken_up_elsewhere_has_no_link(
    emulator: Emulator, clock: FakeClock, collector: Collector
) -> None:
    emulator.import_seconds = 0
    async with emulator.client() as other:
        job_id = (await other.orders.import_orders([NewOrder(source_id="o-1")])).id
    async with emulator.client(on_event=collector.hook, clock=clock) as client:
        await client.orders.import_job(job_id)
    (waited,) = collector.spans("import job")
    assert not waited.links


async def test_a_job_that_fails_and_a_wait_that_ends_early_are_told(
    emulator: Emulator, clock: FakeClock, collector: Collector
) -> None:
    emulator.import_seconds = 60
    async with emulator.client(on_event=collector.hook, clock=clock) as client:
        job = await client.orders.import_orders([NewOrder(source_id="o-1")])
        with pytest.raises(JobTimeoutError):
            await job.wait(timeout=0.01)
        emulator.fail_next_import("Disk full")
        emulator.import_seconds = 0
        emulator.clock.advance(100)  # type: ignore[attr-defined]
        with pytest.raises(ImportFailedError):
            await (await client.orders.import_orders([NewOrder(source_id="o-2")]))
    errors = [attributes_of(span)["error.type"] for span in collector.spans("import job")]
    assert errors == ["JobTimeoutError", "ImportFailedError"]


async def test_looks_for_several_are_linked_to_all_and_below_none(
    emulator: Emulator, clock: FakeClock, collector: Collector
) -> None:
    emulator.import_seconds = 60
    async with emulator.client(on_event=collector.hook, clock=clock) as client:
        jobs = [await client.orders.import_orders([NewOrder(source_id=f"o-{n}")]) for n in range(2)]

        async def wait(number: int) -> None:
            with collector.tracer.start_as_current_span(f"request {number}"):
                await jobs[number]

        first, second = (asyncio.create_task(wait(number)) for number in range(2))
        await until(lambda: bool(collector.spans("GET /v1/async-actions")), lambda: asyncio.sleep(0.001))
        first.cancel()
        await asyncio.wait([first])
        emulator.clock.advance(600)  # type: ignore[attr-defined]
        await second
    waits = collector.spans("import job")
    together = collector.spans("GET /v1/async-actions")
    assert {span.parent for span in together} == {None}
    assert all(linked(span) == {id_of(wait) for wait in waits} for span in together)
    # The task that looks was started by the first one, and the last look is for the second one alone.
    (later,) = [span for span in waits if not attributes_of(span).get("error.type")]
    last = collector.spans("GET /v1/async-actions/{asyncActionId}")[-1]
    assert last.parent is not None
    assert last.parent.span_id == id_of(later)


def test_of_very_many_jobs_the_newest_keep_their_links(collector: Collector) -> None:
    for number in range(1001):
        with collector.tracer.start_as_current_span("call"):
            collector.hook(JobSeen("import", f"aa_{number}", "ACCEPTED", None))
    for number in (0, 1):
        collector.hook(JobWaitStarted(number, "import", f"aa_{number}"))
        collector.hook(JobWaitEnded(number, "import", f"aa_{number}", None, 0.0))
    assert [len(span.links) for span in collector.spans("import job")] == [0, 1]


# --- Metrics ----------------------------------------------------------------------------------------------------


async def test_calls_and_requests_are_measured(emulator: Emulator, clock: FakeClock, collector: Collector) -> None:
    emulator.faults.add(Fault(kind="status", status=503))
    async with emulator.client(on_event=collector.hook, clock=clock) as client:
        await client.orders.create(NewOrder(source_id="o-1"))
    measured = collector.measured()
    request = {
        "http.request.method": "POST",
        "server.address": "127.0.0.1",
        "server.port": urlsplit(emulator.url).port,
        "url.template": "/v1/orders",
    }
    assert [found for found, _ in measured["http.client.request.duration"]] == [
        {**request, "http.response.status_code": 503, "error.type": "ServerError"},
        {**request, "http.response.status_code": 200},
    ]
    assert [found for found, _ in measured["http.client.active_requests"]] == [request]
    operation = {"voucherify.operation": "orders.create"}
    sums = {
        name: [(found, point.count, point.sum) for found, point in measured[name]]
        for name in (
            "voucherify.client.call.duration",
            "voucherify.client.attempts",
            "voucherify.client.repeat.wait",
        )
    }
    assert sums == {
        "voucherify.client.call.duration": [(operation, 1, 0.125)],
        "voucherify.client.attempts": [(operation, 1, 2)],
        "voucherify.client.repeat.wait": [(operation, 1, 0.125)],
    }
    ((_, point), *_) = measured["http.client.request.duration"]
    assert isinstance(point, HistogramDataPoint)
    # As the semantic conventions for HTTP metrics advise.
    advised = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
    assert tuple(point.explicit_bounds) == advised


@pytest.mark.parametrize(
    ("reason", "metric"),
    [("rate_limit", "limiter"), ("pool", "pool"), ("repeat", "repeat"), ("retry_budget", "retry_budget")],
)
@pytest.mark.parametrize("after", ["attempt", "another wait", "end"])
def test_a_wait_lasts_until_the_call_goes_on(
    collector: Collector, clock: FakeClock, reason: WaitReason, metric: str, after: str
) -> None:
    hook = collector.hook
    hook(CallStarted(CREATE))
    hook(Waiting(CREATE, reason, None, 0))
    clock.now += 3
    if after == "attempt":
        hook(AttemptStarted(CREATE, 1))
        hook(AttemptEnded(CREATE, 1, 200, None, {}, 4.0))
    elif after == "another wait":
        hook(Waiting(CREATE, reason, None, 0))
    clock.now += 4
    hook(CallEnded(CREATE, 0, None, "PoolTimeoutError", False, 7.0))
    ((found, point),) = collector.measured()[f"voucherify.client.{metric}.wait"]
    assert found == {"voucherify.operation": "orders.create"}
    assert (point.count, point.sum) == {"attempt": (1, 3), "another wait": (2, 7), "end": (1, 7)}[after]


# --- Whatever the SDK does ----------------------------------------------------------------------------------------


async def test_what_is_not_sampled_leaves_no_span_and_is_measured(
    emulator: Emulator, clock: FakeClock, collector: Collector
) -> None:
    exporter = InMemorySpanExporter()
    tracers = TracerProvider(sampler=ParentBased(ALWAYS_OFF))
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    emulator.import_seconds = 0
    hook = OpenTelemetry(tracers, collector.meters)
    auth = OAuthAuth(emulator.app_id, emulator.app_token)
    async with emulator.client(auth=auth, on_event=hook, clock=clock) as client:
        await client.orders.import_all([NewOrder(source_id="o-1")])
    assert not exporter.get_finished_spans()
    assert len(collector.measured()["http.client.request.duration"]) == 3


async def test_without_an_sdk_calls_go_as_ever(
    emulator: Emulator, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    emulator.import_seconds = 0
    for hook in (OpenTelemetry(), OpenTelemetry(NoOpTracerProvider())):
        async with emulator.client(on_event=hook, clock=clock) as client:
            report = await client.orders.import_all([NewOrder(source_id="o-1")])
            with pytest.raises(NotFoundError):
                await client.orders.get("nowhere")
        assert report.done == 1
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_span_processor_that_fails_harms_no_call(emulator: Emulator) -> None:
    class Broken(SpanProcessor):
        def on_start(self, span: object, parent_context: object = None) -> None:
            raise ValueError("mine")

    tracers = TracerProvider()
    tracers.add_span_processor(Broken())
    async with emulator.client(on_event=OpenTelemetry(tracers)) as client:
        assert (await client.orders.list()).total == 0


def test_a_call_that_is_cleared_away_elsewhere_leaves_the_current_span_alone(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    contextvars.copy_context().run(collector.hook, CallStarted(CREATE))
    with collector.tracer.start_as_current_span("another") as another:
        collector.hook(CallEnded(CREATE, 0, None, "GeneratorExit", False, 1.0))
        assert trace.get_current_span() is another
    assert [span.name for span in collector.spans()] == ["POST /v1/orders", "another"]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_several_clients_may_have_the_same_one(
    emulator: Emulator, clock: FakeClock, collector: Collector
) -> None:
    async with (
        emulator.client(on_event=collector.hook, clock=clock) as first,
        emulator.client(on_event=collector.hook, clock=clock) as second,
    ):
        await asyncio.gather(*(client.orders.list() for client in (first, second) * 5))
    assert len(collector.spans("GET /v1/orders")) == 10


@pytest.mark.parametrize("argument", ["tracer_provider", "meter_provider"])
def test_a_provider_that_is_none_is_refused(argument: str) -> None:
    wrong: Any = {argument: "otlp"}
    with pytest.raises(ConfigurationError, match=f"^{argument}"):
        OpenTelemetry(**wrong)


def test_each_endpoint_has_its_template() -> None:
    operations = {f"{method.__module__.rpartition('.')[2]}.{name}" for method, name in endpoints()}
    assert set(TEMPLATES) == {*operations, "download"}


def endpoints() -> Sequence[tuple[Any, str]]:
    return [(getattr(resource, name), name) for resource, name in ENDPOINTS]


def test_nobody_else_loads_opentelemetry() -> None:
    loaded = loaded_by("import voucherify_async.testing; from voucherify_async import *")
    assert "voucherify_async.session" in loaded
    assert not [name for name in loaded if name.startswith("opentelemetry")]
