"""One batch from scans to EMR rows: list its pages, read them in chunks, assemble, check, load, account."""

from datetime import timedelta

from airflow.sdk import Asset, Param, PartitionedAssetTimetable, chain, dag, task
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException, AirflowSkipException

BATCH = "{{ dag_run.partition_key or params.batch }}"
BATCH_ID = Param(
    "", type="string", pattern=r"^[\w.-]{0,120}$", title="Batch", description="Id of a batch, such as box-17"
)
RECEIVED = Asset(name="batch_received", uri="sohoa://batch/received")


@dag(
    schedule=PartitionedAssetTimetable(assets=RECEIVED),
    catchup=False,
    params={"batch": BATCH_ID},
    default_args={"retries": 2, "retry_delay": timedelta(seconds=20)},
    tags=["sohoa"],
)
def migrate_batch() -> None:
    """Only ids travel between the tasks; pages and their states are in the ledger, so any task may be run again."""

    @task
    def list_pages(batch_id: str) -> list[list[str]]:
        if not batch_id:
            raise AirflowFailException("No batch was named; trigger again with the batch's id in the field 'batch'.")
        from pipeline import steps

        return steps.list_chunks(batch_id)

    @task(pool="ocr", execution_timeout=timedelta(hours=1))
    def extract(page_ids: list[str], batch_id: str) -> int:
        from pipeline import steps

        if later := steps.held_until(batch_id):  # It rests, or somebody waits for another batch.
            raise AirflowRescheduleException(later)  # type: ignore[no-untyped-call]
        return steps.extract(page_ids)

    @task(trigger_rule="none_failed")  # No chunk to read (all is held already) shows as skipped.
    def assemble(batch_id: str) -> int:
        from pipeline import steps

        return steps.assemble(batch_id)

    @task
    def check(batch_id: str) -> bool:
        from pipeline import steps

        return steps.check(batch_id)

    @task(pool="emr_write")
    def load(batch_id: str, passed: bool) -> int:
        if not passed:
            raise AirflowSkipException(f"Batch {batch_id} is held by its checks; nothing was loaded. See its issues.")
        from pipeline import steps

        return steps.load(batch_id)

    @task(trigger_rule="none_failed")
    def account(batch_id: str) -> dict[str, int]:
        from pipeline import steps

        return steps.account(batch_id)

    read = extract.partial(batch_id=BATCH).expand(page_ids=list_pages(BATCH))
    passed = check(BATCH)
    loaded = load(BATCH, passed)  # type: ignore[arg-type]  # Airflow hands over what `check` returned.
    chain(read, assemble(BATCH), passed, loaded, account(BATCH))


migrate_batch()
