"""A sync with traces, shown as a tree. Needs the extra `otel`, and an SDK: `pip install opentelemetry-sdk`.

To send traces to a collector, use a `BatchSpanProcessor` with the exporter of `opentelemetry-exporter-otlp`
instead, and set up a meter provider likewise.
"""

import asyncio
from collections.abc import Sequence

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext

from voucherify_async import NewOrder, VoucherifyClient
from voucherify_async.integrations.otel import OpenTelemetry


def show(spans: Sequence[ReadableSpan], parent: SpanContext | None = None, margin: str = "") -> None:
    for span in spans:
        if (span.parent and span.parent.span_id) == (parent and parent.span_id):
            seconds = ((span.end_time or 0) - (span.start_time or 0)) / 1e9
            print(f"{margin}{span.name}  {seconds:.3f} s")
            for event in span.events:
                print(f"{margin}  * {event.name}", *(event.attributes or {}).values())
            show(spans, span.get_span_context(), margin + "    ")


async def main() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    orders = [NewOrder(source_id=f"traced-{number}", status="PAID", amount=number) for number in range(5)]
    async with VoucherifyClient.from_env(on_event=OpenTelemetry()) as client:
        with trace.get_tracer("shop").start_as_current_span("nightly sync"):
            await client.orders.upsert_all(orders)
            await client.orders.import_all(orders)
    show(sorted(exporter.get_finished_spans(), key=lambda span: span.start_time or 0))


if __name__ == "__main__":
    asyncio.run(main())
