"""Traces and metrics by OpenTelemetry. Needs the extra: `pip install 'voucherify-async[otel]'`.

    client = VoucherifyClient(..., on_event=OpenTelemetry())

Spans, each below what was current where it began:

    POST /v1/orders         a call of any kind, with an event for each attempt and each wait that is over
    orders.upsert_all       a run, and `orders.import_all`: the calls of it are below
    import job, export job  somebody awaits a job: linked to the call that started the job, with an event for each
                            look at it. The calls of a look are below if one awaits, else they are traces of their
                            own with links to all who do.

Names and attributes are those of the semantic conventions for HTTP clients where they have one, else they begin
with `voucherify.`. An `error.type` is the name of the error. One span stands for all attempts of a call, with
`http.request.resend_count`; `http.client.request.duration` counts each attempt. A download's span ends when the
file begins to arrive.

Nothing but what events hold is told: no key, token, query or body. `url.full` has ids in its path.

No `traceparent` is sent: the service is somebody else's, and need not learn of your traces.

Source: https://opentelemetry.io/docs/specs/semconv/http/, 1.37.0.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from opentelemetry import context, metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, StatusCode, TracerProvider

from voucherify_async.clock import Clock, SystemClock
from voucherify_async.errors import ConfigurationError
from voucherify_async.events import (
    AttemptEnded,
    AttemptStarted,
    CallEnded,
    CallInfo,
    CallStarted,
    Event,
    JobSeen,
    JobWaitEnded,
    JobWaitStarted,
    LookStarted,
    RunEnded,
    RunStarted,
    Waiting,
    WaitReason,
)
from voucherify_async.integrations.otelmeters import Meters, request_attributes
from voucherify_async.version import VERSION

_NAME: Final = "voucherify_async"
_CONVENTIONS: Final = "https://opentelemetry.io/schemas/1.37.0"
# Jobs whose starting call is remembered: most are awaited soon, and some never.
_MOST_STARTED: Final = 1_000
_LOOKED_FOR: Final = context.create_key("voucherify-async-looked-for")


class OpenTelemetry:
    """Makes spans and metrics of a client's events. Give it as `on_event=`; several clients may have the same one.

    Without an OpenTelemetry SDK it does next to nothing. It may be made before the SDK is set up.

    Args:
        tracer_provider, meter_provider: the global ones, if not given.
        clock: time, for tests: how long waits are.

    Raises:
        ConfigurationError: an argument is of another type.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
        if not isinstance(tracer_provider, TracerProvider | None):
            raise ConfigurationError("tracer_provider", f"is a {type(tracer_provider).__name__}")
        if not isinstance(meter_provider, MeterProvider | None):
            raise ConfigurationError("meter_provider", f"is a {type(meter_provider).__name__}")
        self._tracer = trace.get_tracer(_NAME, VERSION, tracer_provider, _CONVENTIONS)
        self._meters = Meters(metrics.get_meter(_NAME, VERSION, meter_provider, _CONVENTIONS))
        self._clock = SystemClock() if clock is None else clock
        # By the identity of what names the call, which each entry keeps alive: numbers are of one client.
        self._calls: dict[int, _Call] = {}
        self._open: dict[int, _Current] = {}  # runs and waits for jobs
        self._awaited: dict[str, list[Span]] = {}  # by job
        self._started: OrderedDict[str, SpanContext] = OrderedDict()  # the calls that started jobs

    def __call__(self, event: Event) -> None:
        """Take up an event."""
        match event:
            case CallStarted(info):
                self._call_started(info)
            case Waiting(info, reason):
                self._end_wait(info)
                self._calls[id(info)].waiting = reason, self._clock.monotonic()
            case AttemptStarted(info):
                self._end_wait(info)
                self._meters.attempt_started(self._calls[id(info)].attributes)
            case AttemptEnded():
                self._attempt_ended(event)
            case CallEnded():
                self._call_ended(event)
            case JobSeen():
                self._job_seen(event)
            case LookStarted(_, job_ids):
                self._look_started(job_ids)
            case JobWaitStarted():
                self._job_wait_started(event)
            case JobWaitEnded():
                self._job_wait_ended(event)
            case RunStarted(run, kind):
                self._open[run] = _Current(self._tracer.start_span(f"orders.{kind}"))
            case RunEnded():
                self._run_ended(event)
            case _:
                pass

    # --- Calls ----------------------------------------------------------------------------------------------

    def _call_started(self, info: CallInfo) -> None:
        attributes = request_attributes(info)
        method, template = attributes["http.request.method"], attributes.get("url.template")
        links = context.get_value(_LOOKED_FOR)
        span = self._tracer.start_span(
            f"{method}" if template is None else f"{method} {template}",
            kind=SpanKind.CLIENT,
            attributes={**attributes, "url.full": info.url, "voucherify.operation": info.operation},
            links=links if isinstance(links, list) else None,
        )
        self._calls[id(info)] = _Call(info, attributes, _Current(span))

    def _end_wait(self, info: CallInfo) -> None:
        """A call goes on. Of waits only the beginning is told: the next event of the call is the end."""
        call = self._calls[id(info)]
        if call.waiting is None:
            return
        (reason, since), call.waiting = call.waiting, None
        seconds = self._clock.monotonic() - since
        self._meters.waited(info.operation, reason, seconds)
        if call.current.span.is_recording():
            call.current.span.add_event(
                "voucherify.wait", {"voucherify.wait.reason": reason, "voucherify.wait.seconds": seconds}
            )

    def _attempt_ended(self, event: AttemptEnded) -> None:
        call = self._calls[id(event.call)]
        self._meters.attempt_ended(call.attributes, event.status, event.error, event.elapsed)
        if call.current.span.is_recording():
            attributes: dict[str, str | int | float] = {
                "voucherify.attempt.number": event.attempt,
                "voucherify.attempt.seconds": event.elapsed,
            }
            if event.status is not None:
                attributes["http.response.status_code"] = event.status
            if event.error is not None:
                attributes["error.type"] = event.error
            if (request_id := event.headers.get("X-Request-Id")) is not None:
                attributes["voucherify.request_id"] = request_id
            call.current.span.add_event("voucherify.attempt", attributes)

    def _call_ended(self, event: CallEnded) -> None:
        self._end_wait(event.call)
        call = self._calls.pop(id(event.call))
        self._meters.call_ended(event.call.operation, event.attempts, event.error, event.elapsed)
        attributes: dict[str, str | int | bool] = {}
        if event.status is not None:
            attributes["http.response.status_code"] = event.status
        if event.attempts > 1:
            attributes["http.request.resend_count"] = event.attempts - 1
        if event.error is not None:
            attributes["voucherify.outcome_unknown"] = event.outcome_unknown
        call.current.end(event.error, attributes)

    # --- Jobs and runs --------------------------------------------------------------------------------------

    def _job_seen(self, event: JobSeen) -> None:
        if event.status == "ACCEPTED":  # told within the call that started it
            span = trace.get_current_span()
            span.set_attribute("voucherify.job.id", event.job_id)
            self._started[event.job_id] = span.get_span_context()
            if len(self._started) > _MOST_STARTED:
                self._started.popitem(last=False)
            return
        attributes: dict[str, str | int] = {}
        if event.status is not None:
            attributes["voucherify.job.status"] = event.status
        if event.progress is not None:
            attributes["voucherify.job.progress"] = event.progress
        for span in self._awaited.get(event.job_id, ()):
            span.add_event("voucherify.job.seen", attributes)

    def _job_wait_started(self, event: JobWaitStarted) -> None:
        started = self._started.get(event.job_id)
        span = self._tracer.start_span(
            f"{event.kind} job",
            attributes={"voucherify.job.id": event.job_id},
            links=None if started is None else [Link(started)],
        )
        self._open[event.wait] = _Current(span)
        self._awaited.setdefault(event.job_id, []).append(span)

    def _job_wait_ended(self, event: JobWaitEnded) -> None:
        current = self._open.pop(event.wait)
        awaited = self._awaited[event.job_id]
        awaited.remove(current.span)
        if not awaited:
            del self._awaited[event.job_id]
        current.end(event.error)

    def _look_started(self, job_ids: frozenset[str]) -> None:
        """Put the calls of a look where they belong. The task that looks was started by who came first to wait, and
        looks on for others when that one is long gone."""
        spans = [span for job_id in job_ids for span in self._awaited.get(job_id, ())]
        if len(spans) == 1:
            context.attach(trace.set_span_in_context(spans[0], Context()))
        else:
            links = [Link(span.get_span_context()) for span in spans]
            context.attach(context.set_value(_LOOKED_FOR, links, Context()))

    def _run_ended(self, event: RunEnded) -> None:
        counts = {
            f"voucherify.run.{name}": getattr(event, name)
            for name in ("read", "done", "failed_count", "retried", "skipped")
        }
        self._open.pop(event.run).end(event.error, counts)


class _Current:
    """A span, and that it is the current one.

    Args:
        span: which was started just now.
    """

    __slots__ = ("_token", "span")

    def __init__(self, span: Span) -> None:
        self.span = span
        self._token = None
        if span.get_span_context().is_valid:  # also if it is not sampled, so that none below it is
            self._token = context.attach(trace.set_span_in_context(span))

    def end(self, error: str | None, attributes: Mapping[str, str | int | bool] | None = None) -> None:
        """End the span, and let the one before it be the current one again."""
        # A task that nobody ended is cleared away outside of its context.
        if self._token is not None and trace.get_current_span() is self.span:
            context.detach(self._token)
        if self.span.is_recording():
            if attributes:
                self.span.set_attributes(attributes)
            if error is not None:
                self.span.set_attribute("error.type", error)
                self.span.set_status(StatusCode.ERROR)
        self.span.end()


class _Call:
    """A call under way.

    Attributes:
        info: which it is.
        attributes: of its requests, for metrics.
        current: its span.
        waiting: what for, and since when; None if it does not wait.
    """

    __slots__ = ("attributes", "current", "info", "waiting")

    def __init__(self, info: CallInfo, attributes: Mapping[str, str | int], current: _Current) -> None:
        self.info = info
        self.attributes = attributes
        self.current = current
        self.waiting: tuple[WaitReason, float] | None = None
