"""The documents as judge: each answer that an emulator of this process gives is held against them.

Those of processes that the tests start are judged by `tests/judged.py`.

What a fault makes of an answer on its way is none of the service's; the answer itself is judged all the same. Where
there is no answer, since the emulator broke down, that is an objection too: a client may repeat a 500, and hide it.
"""

from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.documents import Document, documents
from voucherify_async.emulator.app import App, Errand
from voucherify_async.emulator.endpoints import Answer

__all__ = ["Judge"]

_PLACES: Final = {
    "/v1/orders": "orders.json",
    "/v1/async-actions": "async-actions.json",
    "/v1/exports": "exports.json",
    "/v1/oauth": "oauth.json",
}


class Judge:
    """Judges while it is entered: `objections` says what was wrong, `judged` counts by operation and status.

    What was wrong goes into a file, too, if there is to be one: a line each. Its folder is made if it has to be.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self.objections: list[str] = []
        self.judged: dict[tuple[str, int], int] = {}

    def __enter__(self) -> Self:
        self._answer = answer = App._answer

        async def judged(app: App, errand: Errand, body: bytes | None = None) -> Answer:
            try:
                given = await answer(app, errand, body)
            except ConnectionError:
                raise  # the client is gone
            except Exception as error:
                self._object(errand, f"broke down: {error!r}")
                raise
            self.judge(errand, given)
            return given

        App._answer = judged  # type: ignore[method-assign, assignment]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        App._answer = self._answer  # type: ignore[method-assign]

    def judge(self, errand: Errand, answer: Answer) -> None:
        """Hold one answer against the documents."""
        document = document_of(errand.path)
        if document is None:
            return
        method = errand.request.method
        operation = document.operation(method, errand.path, download="token" in errand.asked)
        name = operation["operationId"] if operation is not None else f"{method} elsewhere"
        self.judged[name, answer.status] = self.judged.get((name, answer.status), 0) + 1
        body = answer.body if answer.chunks is None else None
        if objection := document.objection(operation, answer.status, answer.content_type, body):
            self._object(errand, f"answered {answer.status}: {objection}")

    def _object(self, errand: Errand, objection: str) -> None:
        self.objections.append(f"{errand.request.method} {errand.path} {objection}")
        if self._file is not None:
            self._file.parent.mkdir(exist_ok=True)
            with self._file.open("a", encoding="utf-8") as file:
                file.write(self.objections[-1].replace("\n", " ") + "\n")


def document_of(path: str) -> Document | None:
    """The document that speaks of this path; for one that leads nowhere, that of orders; None without them."""
    for place, name in _PLACES.items():
        if path == place or path.startswith(f"{place}/"):
            return documents().get(name)
    return documents().get("orders.json")
