"""docker-compose.yml as far as it can be judged without a Docker engine."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from pipeline import serving
from pipeline.settings import Settings
from review.app import assets_folder

REPOSITORY = Path(__file__).resolve().parent.parent
COMPOSE = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
AIRFLOW = [name for name in SERVICES if name.startswith("airflow-")]


def test_one_machine_needs_no_profile_workers_and_prometheus_have_theirs():
    named = {}
    for name, service in SERVICES.items():
        named.setdefault(tuple(service.get("profiles", [])), []).append(name)
    assert {profile: sorted(names) for profile, names in named.items()} == {
        (): ["airflow-api-server", "airflow-dag-processor", "airflow-scheduler", "airflow-triggerer", "outbox",
             "postgres", "setup", "workbench"],
        ("cluster",): ["office", "reader", "redis"],
        ("monitoring",): ["prometheus"],
    }  # fmt: skip


def test_the_workers_of_the_cluster_serve_every_queue_that_a_timetable_names():
    served = set()
    for name in ("reader", "office"):
        told = SERVICES[name]["command"][-1]
        assert told.startswith(f"exec sohoa worker --name {name}-")
        served |= set(re.search(r"--queues (\S+)", told)[1].split(","))
    assert served == {*serving.READS.split(","), *serving.OFFICE.split(",")}
    asked = re.findall(r'queue="(\w+)"', "".join(path.read_text() for path in (REPOSITORY / "dags").glob("*.py")))
    assert {"default", *asked} == served


def test_every_port_is_bound_to_this_machine_alone():
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in ports)


def test_secrets_come_from_an_env_file_that_is_not_in_the_repository():
    assert all(service["env_file"] == ["deploy/secrets.env"] for service in SERVICES.values())
    assert "deploy/secrets.env" in (REPOSITORY / ".gitignore").read_text(encoding="utf-8").splitlines()
    example = (REPOSITORY / "deploy/secrets.env.example").read_text(encoding="utf-8")
    assert {line.split("=")[0] for line in example.splitlines() if "=" in line and line[0] != "#"} == {
        "POSTGRES_PASSWORD",
        "SOHOA_DATABASE_URL",
    }
    plain = [str(service.get("environment", {})) for service in SERVICES.values()]
    assert not any(re.search("PASSWORD|SECRET|KEY", text) for text in plain)


def test_all_that_somebody_waits_for_say_whether_they_are_healthy():
    assert [name for name, service in SERVICES.items() if "healthcheck" not in service] == ["setup", "outbox"]


def test_every_process_starts_after_the_set_up_on_the_shared_home():
    for name in (*AIRFLOW, "outbox", "workbench"):
        assert SERVICES[name]["depends_on"]["setup"] == {"condition": "service_completed_successfully"}
        assert "home:/var/lib/sohoa" in SERVICES[name]["volumes"]


@pytest.mark.parametrize("name", AIRFLOW)
def test_the_command_is_the_one_that_serve_starts(name):
    command = SERVICES[name]["command"]
    assert command[:3] == ["python", "-m", "pipeline.airflow"]
    assert command[3:] == serving.PROCESSES[name.removeprefix("airflow-")][3:]


def test_the_workbench_and_the_poller_are_those_that_serve_starts():
    assert SERVICES["workbench"]["command"][1:] == serving.WORKBENCH[1:]
    assert SERVICES["outbox"]["command"][1:] == serving.PROCESSES["outbox"][1:]
    assert SERVICES["outbox"]["environment"]["AIRFLOW__API__BASE_URL"] == "http://airflow-api-server:8080"


def test_the_workbench_listens_where_its_port_and_its_health_check_lead(monkeypatch, tmp_path):
    service, own = SERVICES["workbench"], SERVICES["workbench"]["environment"]
    monkeypatch.setenv("SOHOA_HOME", str(tmp_path))
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    chosen = Settings()
    assert chosen.review_host == "0.0.0.0"
    assert service["ports"] == [f"127.0.0.1:{chosen.review_port}:{chosen.review_port}"]
    assert f"http://127.0.0.1:{chosen.review_port}/login" in service["healthcheck"]["test"][-1]


def test_natively_the_workbench_listens_on_this_machine_alone():
    assert Settings.model_fields["review_host"].default == "127.0.0.1"


def test_the_scripts_that_the_image_holds_are_where_the_workbench_looks():
    dockerfile = (REPOSITORY / "deploy/Dockerfile").read_text(encoding="utf-8")
    assert "SOHOA_HOME=/opt review/assets/install.sh" in dockerfile and "ENV SOHOA_HOME=/var/lib/sohoa" in dockerfile
    assert "ln -sfn /opt/assets /var/lib/sohoa/assets" in SERVICES["setup"]["command"][-1]
    assert assets_folder(Settings(home=Path("/var/lib/sohoa"))) == Path("/var/lib/sohoa/assets/node_modules")


def test_the_image_installs_what_run_installs():
    dockerfile = (REPOSITORY / "deploy/Dockerfile").read_text(encoding="utf-8")
    script = (REPOSITORY / "run").read_text(encoding="utf-8")
    wanted = re.search(r"SYSTEM_PACKAGES=\((.*)\)", script)
    assert wanted is not None and wanted[1] in dockerfile
    for folder in re.findall(r"^COPY (\S+)", dockerfile, re.M):
        assert (REPOSITORY / folder).exists()


@pytest.mark.skipif(
    not shutil.which("docker") or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode != 0,
    reason="no docker compose here",
)
def test_docker_compose_itself_accepts_the_file():
    command = ["docker", "compose", "--env-file", "/dev/null", "config", "--quiet", "--no-env-resolution"]
    subprocess.run(command, cwd=REPOSITORY, check=True)
