"""The guide names all that is told; its snippets run beside those of the other guides."""

import inspect
import re

from tests.snippets import ROOT
from voucherify_async.integrations import otel, otelmeters

GUIDE = (ROOT / "docs" / "guides" / "observability.md").read_text(encoding="utf-8")


def test_every_metric_and_attribute_is_named() -> None:
    """What is told, the guide lists."""
    sources = [inspect.getsource(module) for module in (otel, otelmeters)]
    metrics = set(re.findall(r'"((?:http\.client|voucherify\.client)\.[a-z_.]+)"', sources[1]))
    assert len(metrics) == 8
    assert not [name for name in metrics if f"`{name}`" not in GUIDE]
    told = set(
        re.findall(
            r'"((?:url|http|server|error)\.[a-z_.]+|voucherify\.(?:operation|outcome_unknown|request_id|job\.id))"',
            sources[0] + sources[1],
        )
    )
    assert not [name for name in told if f"`{name}`" not in GUIDE]
