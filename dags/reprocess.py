"""After a change of software or of a form: what would be read otherwise, then, when told to, that alone."""

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from dags.stages import BATCH_ID, finish, named, wait_for_turn

BATCH = "{{ params.batch }}"
APPLY = Param(
    False, type="boolean", title="Replace", description="Replace what differs; look first: sohoa batch changes BATCH"
)


@dag(
    schedule=None,
    catchup=False,
    params={"batch": BATCH_ID, "apply": APPLY},
    default_args={"retries": 2, "retry_delay": timedelta(seconds=20)},
    tags=["sohoa"],
)
def reprocess() -> None:
    """Without `apply` nothing is replaced: the new readings lie beside the old for 30 days."""

    @task
    def list_changed(batch_id: str) -> list[list[str]]:
        from pipeline import reprocess

        return reprocess.changed_chunks(named(batch_id))

    @task(pool="ocr", queue="ocr", execution_timeout=timedelta(hours=1))
    def compare(page_ids: list[str], batch_id: str) -> int:
        from pipeline import reprocess

        wait_for_turn(batch_id)
        return reprocess.compare(page_ids)

    @task(trigger_rule="none_failed")
    def carry_out(batch_id: str, params: Any = None) -> int:
        if not params["apply"]:
            raise AirflowSkipException(f"Nothing was replaced. Look: sohoa batch changes {batch_id}")
        from pipeline import reprocess

        return reprocess.carry_out(batch_id)

    read = compare.partial(batch_id=BATCH).expand(page_ids=list_changed(BATCH))
    finish(BATCH, read, carry_out(BATCH))


reprocess()
