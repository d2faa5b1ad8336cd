"""The command line, pipeline.cli_serve: `sohoa serve` and `sohoa worker`, the processes that stay."""

from typing import Annotated

import typer

from records.errors import SohoaError


def serve(
    workers: Annotated[int, typer.Option(min=0, max=16, help="Celery workers that read; 0: the scheduler's own.")] = 0,
) -> None:
    """Airflow on 127.0.0.1:8080 and the review workbench on :8090 until stopped."""
    from pipeline import serving
    from pipeline.migrate import make_ready
    from pipeline.settings import settings

    make_ready()
    serving.serve(settings(), readers=workers)


def worker(
    name: Annotated[str, typer.Option(help="Its name, another one on each machine.")],
    queues: Annotated[str, typer.Option(help="What it does: ocr, intake, emr, default.")] = "ocr",
    tasks: Annotated[int, typer.Option(min=1, max=256, help="Tasks at once; one core each.")] = 1,
) -> None:
    """Work for a `sohoa serve` on another machine, through the Redis in SOHOA_BROKER_URL, until stopped."""
    from pipeline import serving
    from pipeline.settings import settings

    if not settings().broker_url:
        raise SohoaError("A worker needs the address of Redis; set SOHOA_BROKER_URL=redis://:password@host:6379/0")
    serving.become_worker(settings(), name, queues, tasks)
