"""`job`: an import or an export, followed to its end."""

from typing import Any, TypeAlias

import msgspec

from voucherify_async import AsyncAction, VoucherifyClient
from voucherify_async.cli.output import print_facts, print_line
from voucherify_async.cli.running import DONE, SERVICE_FAILED, SOME_FAILED, Surroundings, run
from voucherify_async.models.jobs import import_result

__all__ = ["follow"]

Facts: TypeAlias = dict[str, Any]


def follow(job_id: str, *, wait: bool, as_json: bool) -> int:
    """Show a job, at its end or as it stands; the exit status."""
    look = _look_at_import if job_id.startswith("aa_") else _look_at_export

    async def work(client: VoucherifyClient, around: Surroundings) -> int:
        facts, status = await look(client, around, job_id, wait=wait)
        if as_json:
            print_line(msgspec.json.encode(facts))
        else:
            _print_for_people(facts)
        return status

    return run(work)


async def _look_at_import(
    client: VoucherifyClient, around: Surroundings, job_id: str, *, wait: bool
) -> tuple[Facts, int]:
    action = await (_import_at_its_end(client, around, job_id) if wait else client.async_actions.get(job_id))
    facts: Facts = {
        "id": action.id,
        "type": action.type,
        "status": action.status,
        "progress": action.progress,
        "created_at": action.created_at,
    }
    if action.status == "FAILED":
        return facts, SERVICE_FAILED
    if not action.result:
        return facts, DONE
    result = import_result(action)
    failed_count = max(result.failed_count, len(result.failed))
    facts |= {"done": result.done_count, "failed_count": failed_count, "failed": result.failed}
    return facts, SOME_FAILED if failed_count else DONE


async def _import_at_its_end(client: VoucherifyClient, around: Surroundings, job_id: str) -> AsyncAction:
    """The last state of an import.

    Raises:
        ImportFailedError: it failed.
    """
    seen: list[AsyncAction] = []
    with around.display() as shown, shown.step(f"Import {job_id}", "%", 100) as step:

        def show(action: AsyncAction) -> None:
            seen[:] = [action]
            step.reach(action.progress or 0)

        await client.orders.import_job(job_id).wait(on_progress=show)
        step.reach(100)
    return seen[0]


async def _look_at_export(
    client: VoucherifyClient, around: Surroundings, job_id: str, *, wait: bool
) -> tuple[Facts, int]:
    if wait:
        with around.display() as shown, shown.step(f"Export {job_id}", "%", 100) as step:
            export = await client.orders.export_job(job_id)
            step.reach(100)
    else:
        export = await client.exports.get(job_id)
    facts: Facts = {
        "id": export.id,
        "type": export.exported_object,
        "status": export.status,
        "created_at": export.created_at,
        "parameters": export.parameters,
        # Not where its file is: the address holds a token.
    }
    return facts, SERVICE_FAILED if export.status == "ERROR" else DONE


def _print_for_people(facts: Facts) -> None:
    failures = facts.pop("failed", ())
    print_facts({name.replace("_", " "): fact for name, fact in facts.items() if fact is not None})
    for failure in failures:
        print(f"{failure.source_id}: {failure.reason}")
