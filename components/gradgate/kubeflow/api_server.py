"""Recurring runs on the API server of Kubeflow Pipelines 2.x, by its own client."""

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from gradgate.kubeflow.recurring import Existing, RecurringError, ServerError, Wanted

_PAGE = 100
_FORBIDDEN, _NOT_FOUND, _TOO_MANY, _BROKEN = (401, 403), 404, 429, 500
_log = logging.getLogger(__name__)


class ApiServer:
    """Speaks to one server.

    Args:
        host: Address of the API or of the UI; None is what the client finds by itself.
        namespace: Of the user, where the installation has several; None for a single one.
        token: Sent as bearer; None is what the client finds by itself.

    Raises:
        RecurringError: If the SDK is missing, or the server cannot be reached.
    """

    def __init__(
        self, host: str | None, *, namespace: str | None = None, token: str | None = None
    ) -> None:
        try:
            with _quiet():
                import kfp.client
        except ImportError as error:
            raise RecurringError(
                f"the KFP SDK cannot be imported ({error}): pip install 'gradgate[kubeflow]'"
            ) from error

        class Client(kfp.client.Client):  # type: ignore[misc]
            # The client's own asks five times, and then says nothing of why.
            def get_kfp_healthz(self, sleep_duration: int = 5) -> Any:  # noqa: ARG002
                ask = getattr(self._healthz_api, "get_healthz", None)  # until 2.14
                return (ask or self._healthz_api.healthz_service_get_healthz)()

        with _asking("open a connection"):
            # "kubeflow" is where the API itself lives, and what the client calls none.
            self._client: Any = Client(
                host=host, namespace=namespace or "kubeflow", existing_token=token
            )
        self._namespace = namespace

    def recurring_runs(self, wanted: Wanted) -> list[Existing]:
        """Those of that name in that experiment; none where there is no such experiment."""
        experiment = self._experiment(wanted.experiment)
        if experiment is None:
            return []
        with _asking("list the recurring runs"):
            runs = _pages(
                lambda **page: self._client.list_recurring_runs(experiment_id=experiment, **page),
                "recurring_runs",
            )
            mine = [run for run in runs if run.display_name == wanted.name]
        version = self._version(wanted) if mine else None
        return [
            Existing(
                id=run.recurring_run_id,
                created="" if run.created_at is None else run.created_at.isoformat(),
                enabled=_is_enabled(run),
                description=run.description or "",
                is_like=version is not None and _is_like(run, wanted, version[1]),
            )
            for run in mine
        ]

    def create(self, wanted: Wanted) -> None:
        """Makes the experiment and uploads the package where they are missing; then the run."""
        with _asking("find or create the experiment"):
            experiment = self._client.create_experiment(
                wanted.experiment, namespace=self._namespace
            )
        pipeline, version = self._version(wanted) or self._upload(wanted)
        schedule = wanted.schedule
        with _asking("create the recurring run"):
            self._client.create_recurring_run(
                experiment_id=experiment.experiment_id,
                job_name=wanted.name,
                description=wanted.mark,
                cron_expression=schedule.cron,
                interval_second=schedule.every_seconds,
                max_concurrency=1,
                no_catchup=True,
                params=dict(wanted.parameters),
                pipeline_id=pipeline,
                version_id=version,
                enabled=wanted.enabled,
                pipeline_root=wanted.pipeline_root,
                service_account=wanted.service_account,
            )

    def enable(self, run: Existing) -> None:
        """Lets it start runs."""
        with _asking(f"enable {run.id}"):
            self._client.enable_recurring_run(run.id)

    def disable(self, run: Existing) -> None:
        """Lets it start no more runs; one that is gone starts none."""
        with _asking(f"disable {run.id}", may_be_gone=True):
            self._client.disable_recurring_run(run.id)

    def delete(self, run: Existing) -> None:
        """Forgets it; one that is gone is forgotten."""
        with _asking(f"delete {run.id}", may_be_gone=True):
            self._client.delete_recurring_run(run.id)

    def _experiment(self, name: str) -> str | None:
        with _asking("find the experiment"):
            try:
                found = self._client.get_experiment(experiment_name=name, namespace=self._namespace)
            except ValueError as error:
                if str(error).startswith("No experiment is found"):
                    return None
                raise
            return str(found.experiment_id)

    def _pipeline(self, name: str) -> str | None:
        with _asking("find the pipeline"):
            found = _pages(
                lambda **page: self._client.list_pipelines(namespace=self._namespace, **page),
                "pipelines",
            )
        return next((str(each.pipeline_id) for each in found if each.display_name == name), None)

    def _version(self, wanted: Wanted) -> tuple[str, str] | None:
        """Ids of the pipeline and of its version that is this package; None if it is not there."""
        pipeline = self._pipeline(wanted.package.name)
        if pipeline is None:
            return None
        with _asking("find the pipeline's version"):
            found = _pages(
                lambda **page: self._client.list_pipeline_versions(pipeline, **page),
                "pipeline_versions",
            )
        same = (str(v.pipeline_version_id) for v in found if v.display_name == wanted.version)
        return next(((pipeline, version) for version in same), None)

    def _upload(self, wanted: Wanted) -> tuple[str, str]:
        package, name = str(wanted.package.path), wanted.package.name
        pipeline = self._pipeline(name)
        if pipeline is None:
            with _asking("upload the pipeline"):
                made = self._client.upload_pipeline(
                    package, pipeline_name=name, namespace=self._namespace
                )
            pipeline = str(made.pipeline_id)
        # The first upload names its version after the pipeline; ours are named by their content.
        with _asking("upload the pipeline's version"):
            version = self._client.upload_pipeline_version(
                package, pipeline_version_name=wanted.version, pipeline_id=pipeline
            )
        return pipeline, str(version.pipeline_version_id)


def _pages(ask: Callable[..., Any], key: str) -> list[Any]:
    found: list[Any] = []
    token = ""
    while True:
        page = ask(page_token=token, page_size=_PAGE)
        found += getattr(page, key) or []
        token = page.next_page_token or ""
        if not token:
            return found


def _is_enabled(run: Any) -> bool:
    # What is neither is taken for enabled: it is then stopped before it is deleted.
    return "DISABLE" not in str(run.mode or run.status or "")


def _is_like(run: Any, wanted: Wanted, version: str) -> bool:
    reference, trigger, config = run.pipeline_version_reference, run.trigger, run.runtime_config
    cron = trigger.cron_schedule if trigger else None
    periodic = trigger.periodic_schedule if trigger else None
    seconds = periodic.interval_second if periodic else None
    schedule = wanted.schedule
    return (
        reference is not None
        and reference.pipeline_version_id == version
        and (cron.cron if cron else None) == schedule.cron
        and (None if seconds is None else int(seconds)) == schedule.every_seconds
        and int(run.max_concurrency or 0) == 1
        and run.no_catchup is True
        and ((config.parameters if config else None) or {}) == dict(wanted.parameters)
    )


@contextlib.contextmanager
def _asking(what: str, *, may_be_gone: bool = False) -> Iterator[None]:
    """Turns what the client raises into what to do; keeps what it prints to itself."""
    import kfp_server_api
    import urllib3

    try:
        with _quiet():
            yield
    except kfp_server_api.ApiException as error:
        status = error.status or 0
        if may_be_gone and status == _NOT_FOUND:
            return
        said = f"could not {what}: the server said {status} {error.reason}: {_said(error)}"
        if status in _FORBIDDEN:
            raise RecurringError(
                f"{said}. Give a token that may do so (--token-file), and the --namespace it is"
                " good for."
            ) from error
        if status >= _BROKEN or status == _TOO_MANY or not status:
            raise ServerError(said) from error
        raise RecurringError(said) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise ServerError(f"could not {what}: no answer came ({error}).") from error
    except (ValueError, TypeError) as error:
        raise RecurringError(f"could not {what}: {error}") from error


def _said(error: Any) -> str:
    body = error.body.decode(errors="replace") if isinstance(error.body, bytes) else error.body
    return (body or "nothing more").strip()[:300]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    if printed.getvalue():
        _log.info("%s", printed.getvalue().strip())
