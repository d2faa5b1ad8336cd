"""One batch from scans to EMR rows: list its pages, read them in chunks, assemble, check, load, account."""

from datetime import timedelta

from airflow.sdk import Asset, PartitionedAssetTimetable, dag, task
from airflow.sdk.exceptions import AirflowRescheduleException

from dags.stages import BATCH_ID, finish, named, wait_for_turn

BATCH = "{{ dag_run.partition_key or params.batch }}"
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

    @task(queue="intake")  # where the scans lie
    def list_pages(batch_id: str) -> list[list[str]]:
        from pipeline import steps

        return steps.list_chunks(named(batch_id))

    @task(pool="ocr", queue="ocr", execution_timeout=timedelta(hours=1))
    def extract(page_ids: list[str], batch_id: str) -> int:
        from pipeline import steps

        wait_for_turn(batch_id)
        done = steps.extract(page_ids)
        if later := steps.read_elsewhere(page_ids):
            raise AirflowRescheduleException(later)  # type: ignore[no-untyped-call]
        return done

    read = extract.partial(batch_id=BATCH).expand(page_ids=list_pages(BATCH))
    finish(BATCH, read)


migrate_batch()
