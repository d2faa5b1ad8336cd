"""Beside the dashboards, reporting.metrics: counts and ages for Prometheus, asked of the database at each scrape.

Ids of batches, patients and persons are no labels: a metric holds counts alone.
"""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime

import psutil
import structlog
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from pipeline import stamps, stuck
from pipeline.database import engine
from pipeline.settings import Settings
from records.errors import SohoaError

log = structlog.get_logger()
PAGES = "SELECT state, sum(pages) FROM pipeline.page_count GROUP BY state"
BATCHES = """
    SELECT 'held', count(*) FILTER (WHERE state = 'held') FROM pipeline.batch UNION ALL
    SELECT 'open', count(*) FILTER (WHERE closed_at IS NULL) FROM pipeline.batch UNION ALL
    SELECT 'queued', count(*) FILTER (WHERE queued_at IS NOT NULL) FROM pipeline.batch UNION ALL
    SELECT 'resting', count(*) FROM pipeline.pause"""
AGES = """
    SELECT 'read', min(queued_at) FROM pipeline.batch UNION ALL
    SELECT 'held', min(created_at) FROM pipeline.batch WHERE state = 'held' UNION ALL
    SELECT 'review', min(oldest) FROM reporting.documents_waiting_by_type UNION ALL
    SELECT 'quarantine', min(p.updated_at) FROM pipeline.page_count c JOIN pipeline.page p USING (batch_id, state)
    WHERE c.state = 'quarantined' AND c.pages > 0"""
STAGES = "SELECT stage, sum(runs), sum(pages), sum(seconds) FROM pipeline.stage_time GROUP BY stage ORDER BY stage"
CHANCES = """
    SELECT DISTINCT ON (target_id) target_id, told ->> 'probability' FROM pipeline.forecast_day
    WHERE told ->> 'probability' IS NOT NULL ORDER BY target_id, day DESC"""
ROLES = {  # a word of the command line -> whose memory it is; the first that fits
    "celery worker": "worker", "api-server": "airflow", "scheduler": "airflow", "dag-processor": "airflow",
    "triggerer": "airflow", "-m review": "workbench", "pipeline.outbox": "poller", "pipeline.children": "reader",
}  # fmt: skip


class Measures(Collector):
    """What Prometheus is told; `sohoa_up` 0 where the database does not answer."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def describe(self) -> Iterator[Metric]:
        """Nothing is asked when it is registered."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """All measures of now."""
        up = GaugeMetricFamily("sohoa_up", "1 where the database answers")
        try:
            with engine(self._settings, "pipeline").connect() as conn:
                found = list(_of_database(conn))
            up.add_metric([], 1)
        except (SohoaError, DBAPIError):
            found = []
            up.add_metric([], 0)
        yield up
        yield from found
        free = GaugeMetricFamily("sohoa_store_free_bytes", "Room left where the originals lie")
        free.add_metric([], shutil.disk_usage(self._settings.home).free)
        yield free
        yield _memory()


def serve(settings: Settings) -> None:
    """Answer Prometheus at /metrics from a thread of this process; a port that is taken is logged and no more."""
    if not settings.metrics_port:
        return
    registry = CollectorRegistry()
    registry.register(Measures(settings))
    try:
        start_http_server(settings.metrics_port, settings.metrics_host, registry)
    except OSError as error:
        log.warning("metrics_not_served", port=settings.metrics_port, why=error.strerror)


def _of_database(conn: Connection) -> Iterator[Metric]:
    yield _gauge(conn, "sohoa_pages", "Pages in the ledger", "state", PAGES)
    batches = _gauge(conn, "sohoa_batches", "Batches", "state", BATCHES)
    batches.add_metric(["stuck"], len(stuck.find(conn)))
    yield batches
    ages = GaugeMetricFamily("sohoa_queue_age_seconds", "Since when the first of a queue waits", labels=["queue"])
    now = datetime.now(UTC)
    for queue, since in conn.execute(text(AGES)):
        ages.add_metric([queue], max(0.0, (now - since).total_seconds()) if since else 0.0)
    yield ages
    yield from _stages(conn)
    since_stamp = GaugeMetricFamily("sohoa_last_seconds", "Since it happened last", labels=["what"])
    for name in (stamps.POLLER, stamps.VERIFIED):
        if found := stamps.get(conn, name):
            since_stamp.add_metric([name], found.age)
    yield since_stamp
    faults = GaugeMetricFamily("sohoa_verify_faults", "Faults that the last scrubbing found")
    if found := stamps.get(conn, stamps.VERIFIED):
        faults.add_metric([], float(found.value))
    yield faults
    yield _gauge(conn, "sohoa_target_probability", "Of meeting the date, by the last forecast", "target", CHANCES)


def _gauge(conn: Connection, name: str, told: str, label: str, query: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, told, labels=[label])
    for key, value in conn.execute(text(query)):
        family.add_metric([key], float(value))
    return family


def _stages(conn: Connection) -> Iterator[Metric]:
    names = ("runs", "pages", "seconds")
    families = [CounterMetricFamily(f"sohoa_stage_{name}", f"{name} of a stage", labels=["stage"]) for name in names]
    for stage, *values in conn.execute(text(STAGES)):
        for family, value in zip(families, values, strict=True):
            family.add_metric([stage], float(value))
    yield from families


def _memory() -> Metric:
    """Of the product's processes on this machine, by what they are."""
    held: dict[str, int] = {}
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
            role = next((role for word, role in ROLES.items() if word in line and "python" in line), None)
            if role:
                held[role] = held.get(role, 0) + process.memory_info().rss
        except psutil.Error:  # It ended meanwhile, or is another user's.
            continue
    family = GaugeMetricFamily("sohoa_memory_bytes", "Resident memory of processes", labels=["process"])
    for role, size in sorted(held.items()):
        family.add_metric([role], size)
    return family
