"""What a training takes of its machine: sampled from outside, by the process id that it announced.

MLflow's own sampler runs inside the training. This one runs in the sender, and uses MLflow's names
where it measures the same, so that the run's tab for system metrics shows it.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator

import psutil

INTERVAL_SECONDS = 10.0
_GPU_FIELDS = "index,utilization.gpu,memory.used,memory.total,power.draw"
_FIRST_SECONDS = 2.0  # so that a short training has a sample too
_CLOCK_SLACK_SECONDS = 5.0

Sample = dict[str, float]


class SystemSampler:
    """Samples one process and its machine; a process that cannot be read gives no samples.

    Args:
        pid: Of the training.
        started_ms: When it said so, in milliseconds since 1970. A process that is younger has only
            inherited the number.
    """

    def __init__(self, pid: int, started_ms: int) -> None:
        self._started = started_ms / 1000
        self._process = _process(pid, self._started)
        self._gpus = shutil.which("nvidia-smi")
        self._next = time.monotonic() + _FIRST_SECONDS

    def due(self) -> bool:
        """Whether the last sample is old enough."""
        return self._process is not None and time.monotonic() >= self._next

    def sample(self) -> tuple[int, int, Sample]:
        """Returns the number of the sample, its time in ms since 1970, and the values.

        The number counts intervals since the training began, so that the samples of a sender that
        was killed and of the next one are one series. Percentages of the process are of one core.
        """
        self._next = time.monotonic() + INTERVAL_SECONDS
        now = time.time()
        number = max(0, round((now - self._started) / INTERVAL_SECONDS))
        values = {**self._of_process(), **_of_machine()}
        if self._gpus:
            values |= dict(_of_gpus(self._gpus))
        return number, round(now * 1000), {f"system/{key}": values[key] for key in sorted(values)}

    def _of_process(self) -> Sample:
        if self._process is None:
            return {}
        try:
            with self._process.oneshot():
                cpu = self._process.cpu_percent()
                memory = self._process.memory_info().rss
                threads = self._process.num_threads()
        except psutil.Error:  # it is over, or not ours to look at
            self._process = None
            return {}
        return {
            "process_cpu_percentage": cpu,
            "process_memory_megabytes": memory / 1e6,
            "process_threads": float(threads),
        }


def _process(pid: int, started: float) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        if process.create_time() > started + _CLOCK_SLACK_SECONDS:
            return None
        process.cpu_percent()  # the first call only starts its clock
    except psutil.Error:
        return None
    return process


def _of_machine() -> Sample:
    memory = psutil.virtual_memory()
    return {
        "cpu_utilization_percentage": psutil.cpu_percent(),
        "system_memory_usage_megabytes": memory.used / 1e6,
        "system_memory_usage_percentage": memory.percent,
        "load_per_core": os.getloadavg()[0] / (os.cpu_count() or 1),
    }


def _of_gpus(command: str) -> Iterator[tuple[str, float]]:
    """Asks the driver's own tool: it costs a tenth of a second, and needs no package."""
    try:
        done = subprocess.run(  # noqa: S603 - the driver's tool
            [command, f"--query-gpu={_GPU_FIELDS}", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return
    for line in done.stdout.splitlines():
        index, *fields = (field.strip() for field in line.split(","))
        numbers = [float(field) if _is_number(field) else None for field in fields]
        if len(numbers) != 4:
            continue
        busy, used, total, watts = numbers
        values = {
            "utilization_percentage": busy,
            "memory_usage_megabytes": None if used is None else used * 1.048576,  # from MiB
            "memory_usage_percentage": used / total * 100 if used is not None and total else None,
            "power_usage_watts": watts,
        }
        yield from ((f"gpu_{index}_{key}", v) for key, v in values.items() if v is not None)


def _is_number(text: str) -> bool:
    """False for `[N/A]` and the like; NaN and infinities are none either."""
    return text.replace(".", "", 1).isdigit()
