"""Mistakes that one could make, ten in the emulator and ten in the client, and the tests that have to find each."""

from typing import Final, NamedTuple


class Mutant(NamedTuple):
    """One mistake.

    Attributes:
        what: is wrong.
        file: in which, below `voucherify_async`.
        old: what is there once.
        new: what stands there by mistake.
        tests: files or folders below `tests`; one of them has to fail.
    """

    what: str
    file: str
    old: str
    new: str
    tests: str

    def planted(self, source: str) -> str:
        """The source with the mistake in it."""
        if source.count(self.old) != 1:
            raise ValueError(f"{self.file} does not hold this exactly once: {self.old}")
        return source.replace(self.old, self.new)


IN_EMULATOR: Final = (
    Mutant(
        what="an order that is created has a status that there is not",
        file="emulator/composing.py",
        old='"status": _stays(given, was, "status", "CREATED")',
        new='"status": _stays(given, was, "status", "NEW")',
        tests="emulator/test_orders.py",
    ),
    Mutant(
        what="an order lacks customer_id",
        file="emulator/composing.py",
        old='    order["customer_id"] = customer_id\n',
        new="",
        tests="emulator/test_orders.py",
    ),
    Mutant(
        what="the discount is not taken off the total",
        file="emulator/composing.py",
        old='order["total_amount"] = amount - discount - items_discount',
        new='order["total_amount"] = amount - items_discount',
        tests="emulator/test_orders.py",
    ),
    Mutant(
        what="the first page of orders is the second",
        file="emulator/store.py",
        old="index.page((page - 1) * limit, limit,",
        new="index.page(page * limit, limit,",
        tests="emulator/test_orders.py",
    ),
    Mutant(
        what="the total of exports is that of the page",
        file="emulator/endpoints.py",
        old='"total": len(exports),',
        new='"total": len(chosen),',
        tests="emulator/test_exports.py",
    ),
    Mutant(
        what="a deleted export is answered with 200",
        file="emulator/endpoints.py",
        old="return Answer(status=204)",
        new="return Answer(status=200)",
        tests="emulator/test_exports.py",
    ),
    Mutant(
        what="async actions come with the oldest first",
        file="emulator/endpoints.py",
        old="in reversed(self._project.jobs.imports.values())",
        new="in self._project.jobs.imports.values()",
        tests="emulator/test_imports.py",
    ),
    Mutant(
        what="an import is a success though not one order went in",
        file="emulator/jobs.py",
        old='"SUCCESS" if self.failure is None and self.done_count else "FAILED"',
        new='"SUCCESS" if self.failure is None else "FAILED"',
        tests="emulator/test_imports.py",
    ),
    Mutant(
        what="a token opens what is not in its scope",
        file="emulator/app.py",
        old=".intersection(endpoint.scopes)",
        new="",
        tests="emulator/test_access.py",
    ),
    Mutant(
        what="one request too many is said to be left",
        file="emulator/ratelimit.py",
        old="max(0, self.limit - self._used)",
        new="max(0, self.limit - self._used + 1)",
        tests="emulator/test_access.py",
    ),
)

IN_CLIENT: Final = (
    Mutant(
        what="a slash in a source id is not quoted",
        file="urls.py",
        old='quote(text, safe="")',
        new="quote(text)",
        tests="test_orders.py",
    ),
    Mutant(
        what="an order without a key is created again after a lost answer",
        file="resources/orders.py",
        old="body=body, repeatable=order.key is not None)",
        new="body=body)",
        tests="test_session.py",
    ),
    Mutant(
        what="an import may hold 2,001 orders",
        file="resources/orders.py",
        old="MAX_IMPORT: Final = 2000",
        new="MAX_IMPORT: Final = 2001",
        tests="test_orders.py",
    ),
    Mutant(
        what="an import that failed passes for done",
        file="jobs.py",
        old='failed = snapshot.status == "FAILED" or snapshot.operation_status == "FAILED"',
        new='failed = snapshot.status == "FAILED"',
        tests="test_jobs.py",
    ),
    Mutant(
        what="a 409 has the error of a 423",
        file="wire.py",
        old="409: ConflictError",
        new="409: LockedError",
        tests="test_wire.py",
    ),
    Mutant(
        what="what the service asks to wait is not waited",
        file="retry.py",
        old="wait = asked + policy.base_delay * chance",
        new="wait = policy.base_delay * chance",
        tests="test_retry.py",
    ),
    Mutant(
        what="a page is left out when all orders are listed",
        file="listing.py",
        old="self._next = (sort, number + 1)",
        new="self._next = (sort, number + 2)",
        tests="test_listing.py",
    ),
    Mutant(
        what="white space in a webhook is signed",
        file="webhooks.py",
        old='return b"".join(_SIGNED.findall(payload))',
        new="return payload",
        tests="test_webhooks.py",
    ),
    Mutant(
        what="a token that was refused is used again",
        file="auth.py",
        old="        if headers is self._signed:\n            self._signed = None\n",
        new="",
        tests="test_auth.py",
    ),
    Mutant(
        what="the names of an export's columns have to be spelled as in the documents",
        file="csvcolumns.py",
        old='return name.casefold().replace(" ", "").replace("_", "")',
        new="return name",
        tests="test_csvrows.py",
    ),
)
