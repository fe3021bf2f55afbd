"""A training seen from outside: what it takes of its machine."""

import os
import subprocess
import sys
import time

import pytest

from gradgate.telemetry.sinks import mlflow_system
from gradgate.telemetry.sinks.mlflow_system import SystemSampler

pytestmark = pytest.mark.half("second")  # it asks MLflow and nothing of the stack


@pytest.fixture
def training():
    """A process that computes, and holds 64 MB."""
    code = "held = bytearray(64_000_000)\nwhile True: sum(range(1000))"
    process = subprocess.Popen([sys.executable, "-c", code])
    yield process
    process.kill()
    process.wait(10)


def now_ms():
    return round(time.time() * 1000)


def test_a_process_and_its_machine_are_sampled_under_mlflows_names(training, monkeypatch):
    monkeypatch.setattr(mlflow_system, "_FIRST_SECONDS", 0.2)
    sampler = SystemSampler(training.pid, now_ms())
    assert not sampler.due()
    time.sleep(0.6)
    assert sampler.due()
    number, at, values = sampler.sample()
    assert number == 0
    assert abs(at - now_ms()) < 60_000
    assert values["system/process_cpu_percentage"] > 1
    assert values["system/process_memory_megabytes"] > 64
    assert 0 <= values["system/cpu_utilization_percentage"] <= 100
    assert 0 < values["system/system_memory_usage_percentage"] <= 100
    assert not sampler.due()


def test_samples_are_numbered_by_the_time_since_the_training_began(training):
    # A sender that is killed and one that follows it give one series.
    began = now_ms() - 61_000
    # The process is younger than what it says: only a few seconds of that are forgiven.
    assert not SystemSampler(training.pid, began)._process
    number, _, _ = SystemSampler(os.getppid(), began).sample()
    assert number == 6


def test_a_process_that_is_over_is_sampled_no_more(training, monkeypatch):
    monkeypatch.setattr(mlflow_system, "_FIRST_SECONDS", 0.0)
    sampler = SystemSampler(training.pid, now_ms())
    training.kill()
    training.wait(10)
    assert sampler.due()
    sampler.sample()
    monkeypatch.setattr(mlflow_system, "INTERVAL_SECONDS", 0.0)
    assert not sampler.due()


def test_gpus_are_read_from_the_drivers_own_tool(tmp_path, training):
    tool = tmp_path / "nvidia-smi"
    tool.write_text(
        "#!/bin/sh\necho '0, 87, 1000, 4000, 215.31'\necho '1, [N/A], 10, 4000, [N/A]'\n"
    )
    tool.chmod(0o755)
    assert dict(mlflow_system._of_gpus(str(tool))) == {
        "gpu_0_utilization_percentage": 87.0,
        "gpu_0_memory_usage_megabytes": pytest.approx(1048.576),  # 1000 MiB
        "gpu_0_memory_usage_percentage": 25.0,
        "gpu_0_power_usage_watts": 215.31,
        "gpu_1_memory_usage_megabytes": pytest.approx(10.48576),
        "gpu_1_memory_usage_percentage": 0.25,
    }


def test_a_tool_that_fails_gives_no_gpus(tmp_path):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\nexit 9\n")
    tool.chmod(0o755)
    assert dict(mlflow_system._of_gpus(str(tool))) == {}
    assert dict(mlflow_system._of_gpus(str(tmp_path / "none"))) == {}
