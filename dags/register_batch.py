"""Boxes that arrived in the watched folder: enter each as a batch that waits for its turn."""

from datetime import timedelta

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException


@dag(
    schedule=timedelta(minutes=5),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=20)},
    tags=["sohoa"],
)
def register_batch() -> None:
    """The poller hands out turns (`pipeline.dispatch`), and `migrate_batch` begins."""

    @task(queue="intake")
    def register() -> list[str]:
        from pipeline import inbox
        from pipeline.settings import settings

        if not settings().inbox:
            raise AirflowSkipException("No inbox is set; batches are entered with: sohoa batch create")
        entered, refused = inbox.register()
        if refused:
            raise AirflowFailException(" ".join(refused))
        return entered

    register()


register_batch()
