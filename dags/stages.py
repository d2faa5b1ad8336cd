"""What timetables of a batch share: its name, its turn, and the tasks once its pages are read."""

from typing import Any

from airflow.sdk import Param, chain, task
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException, AirflowSkipException

BATCH_ID = Param(
    "", type="string", pattern=r"^[\w.-]{0,120}$", title="Batch", description="Id of a batch, such as box-17"
)


def named(batch_id: str) -> str:
    """The batch's id; fails with what to do where none was given."""
    if not batch_id:
        raise AirflowFailException("No batch was named; trigger again with the batch's id in the field 'batch'.")
    return batch_id


def wait_for_turn(batch_id: str) -> None:
    """Put the task off while its batch rests, somebody waits for another one, or this worker is not fit."""
    from pipeline import steps

    if later := steps.held_until(batch_id):
        raise AirflowRescheduleException(later)  # type: ignore[no-untyped-call]


@task(trigger_rule="none_failed")  # No chunk to read (all is held already) shows as skipped.
def assemble(batch_id: str) -> int:
    """Files and documents with verdicts; the number of documents."""
    from pipeline import steps

    return steps.assemble(batch_id)


@task
def check(batch_id: str) -> bool:
    """Whether the batch as a whole may be loaded."""
    from pipeline import steps

    return steps.check(batch_id)


@task(pool="emr_write", queue="emr")
def load(batch_id: str, passed: bool) -> int:
    """Rows of the EMR; the number of documents loaded."""
    if not passed:
        raise AirflowSkipException(f"Batch {batch_id} is held by its checks; nothing was loaded. See its issues.")
    from pipeline import steps

    return steps.load(batch_id)


@task(trigger_rule="none_failed")
def account(batch_id: str) -> dict[str, int]:
    """Pages by state; fails where the ledger does not balance."""
    from pipeline import steps

    return steps.account(batch_id)


def finish(batch_id: str, *read: Any) -> None:
    """These tasks after others, for the batch that the template names."""
    passed = check(batch_id)
    loaded = load(batch_id, passed)  # type: ignore[arg-type]  # Airflow hands over what `check` returned.
    chain(*read, assemble(batch_id), passed, loaded, account(batch_id))
