"""schemathesis' process loads this: which of its failures `known_errors_of_the_documents.toml` excuses."""

import re
import tomllib
from pathlib import Path
from typing import Any, Final

import schemathesis
from schemathesis.core.failures import Failure

_FILE: Final = Path(__file__).parents[1] / "known_errors_of_the_documents.toml"
_EXCUSED: Final[list[dict[str, Any]]] = tomllib.loads(_FILE.read_text(encoding="utf-8"))["excused"]


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext,
    failure: Failure,
    case: schemathesis.Case[Any],
    response: schemathesis.Response,
) -> bool:
    """Whether a failure is one."""
    operation = case.operation.definition.raw.get("operationId")
    return not any(
        operation in entry["operations"]
        and type(failure).__name__ == entry["failure"]
        and re.search(entry["answer"], response.text)
        for entry in _EXCUSED
    )
