"""Every night: originals re-hashed, ledger, receipts and audit chain checked; a fault fails the run and says what."""

from datetime import timedelta

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowFailException


@dag(
    schedule="0 20 * * *",  # 3 in the morning in Vietnam
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(minutes=10)},
    tags=["sohoa"],
)
def verify_store() -> None:
    """As `sohoa verify`."""

    @task(queue="intake")
    def verify() -> int:
        from pipeline import verification

        faults, held = verification.verify()
        if faults:
            raise AirflowFailException(" ".join(faults[:20]))
        return held

    verify()


verify_store()
