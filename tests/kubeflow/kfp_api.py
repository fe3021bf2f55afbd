"""A server that speaks as much of Kubeflow Pipelines' v2beta1 REST API as recurring runs need.

The real one runs on Kubernetes alone. This one keeps experiments, pipelines, their versions and
recurring runs in memory, checks what it is sent as the real one does where its code says so, and
breaks on demand: before it did what it was asked, or after, with the answer lost.
"""

import contextlib
import dataclasses
import itertools
import json
import re
import threading
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import yaml

PREFIX = "/apis/v2beta1"
CHANGES = ("POST", "DELETE")


@dataclasses.dataclass
class Fault:
    """What goes wrong with the next request that changes something and is of that number.

    Attributes:
        at: 0 is the first change.
        kind: `500` answers so and does nothing; `lost` does it and hangs up; `down` hangs up.
    """

    at: int
    kind: str


class KfpApi:
    """The server, and what it keeps; `log` is what was changed, as `POST /recurringruns`."""

    def __init__(self):
        self.experiments, self.pipelines, self.versions, self.runs = {}, {}, {}, {}
        self.log, self.fault, self.token = [], None, None
        self.most_enabled = 0
        self._changes, self._ids, self._lock = 0, itertools.count(1), threading.Lock()
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Handler", (_Handler,), {"api": self})
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def address(self):
        return f"http://127.0.0.1:{self._server.server_port}"

    def break_at(self, change, kind):
        """Breaks on a change, counted from now."""
        self._changes, self.fault = 0, Fault(change, kind)

    def enabled(self):
        return [run for run in self.runs.values() if run["mode"] == "ENABLE"]

    def answer(self, method, path, query, body):
        """Returns status and document, or None where the connection is to be cut."""
        with self._lock:
            fault = None
            if method in CHANGES:
                if self.fault is not None and self.fault.at == self._changes:
                    fault, self.fault = self.fault.kind, None
                self._changes += 1
            if fault == "500":
                return 500, {"error": "Internal Server Error", "message": "a fault of the test"}
            if fault == "down":
                return None
            status, document = self._do(method, path.removeprefix(PREFIX), query, body)
            if method in CHANGES and status == 200:
                self.log.append(f"{method} {re.sub('/id-[0-9]+', '/*', path.removeprefix(PREFIX))}")
                self.most_enabled = max(self.most_enabled, len(self.enabled()))
            return None if fault == "lost" else (status, document)

    def _do(self, method, path, query, body):
        match = re.fullmatch(r"(/[a-z]+)/(id-[0-9]+)(.*)", path)
        if match and match[1] == "/recurringruns":
            return self._one_run(method, match[2], match[3])
        if match and match[1] == "/pipelines" and match[3] == "/versions":
            mine = [v for v in self.versions.values() if v["pipeline_id"] == match[2]]
            return _page(mine, "pipeline_versions", query)
        route = {
            ("GET", "/healthz"): lambda: (200, {"multi_user": False}),
            ("GET", "/experiments"): lambda: _page(
                _filtered(self.experiments, query), "experiments", query
            ),
            ("POST", "/experiments"): lambda: self._add(self.experiments, "experiment_id", body),
            ("GET", "/pipelines"): lambda: _page(list(self.pipelines.values()), "pipelines", query),
            ("POST", "/pipelines/upload"): lambda: self._upload(query, body),
            ("POST", "/pipelines/upload_version"): lambda: self._upload_version(query, body),
            ("GET", "/recurringruns"): lambda: _page(
                [r for r in self.runs.values() if r["experiment_id"] == query["experiment_id"]],
                "recurringRuns",
                query,
            ),
            ("POST", "/recurringruns"): lambda: self._add_run(body),
        }.get((method, path))
        return route() if route else (404, {"message": f"there is no {method} {path}"})

    def _add(self, where, key, document):
        if any(each["display_name"] == document["display_name"] for each in where.values()):
            return 409, {"message": f"{document['display_name']} already exists"}
        return 200, self._keep(where, key, document)

    def _keep(self, where, key, document):
        number = next(self._ids)
        kept = {**document, key: f"id-{number}", "created_at": f"2026-11-24T04:00:{number:02d}Z"}
        where[kept[key]] = kept
        return kept

    def _upload(self, query, body):
        status, pipeline = self._add(self.pipelines, "pipeline_id", {"display_name": query["name"]})
        if status == 200:
            self._upload_version(
                {"name": query["name"], "pipelineid": pipeline["pipeline_id"]}, body
            )
        return status, pipeline

    def _upload_version(self, query, body):
        same = [v for v in self.versions.values() if v["pipeline_id"] == query["pipelineid"]]
        if any(version["display_name"] == query["name"] for version in same):
            return 409, {"message": f"version {query['name']} already exists"}
        spec = next(iter(yaml.safe_load_all(body)))
        said = {"display_name": query["name"], "pipeline_id": query["pipelineid"]}
        return 200, self._keep(
            self.versions, "pipeline_version_id", {**said, "pipeline_spec": spec}
        )

    def _add_run(self, run):
        reference = run.get("pipeline_version_reference", {})
        if reference.get("pipeline_version_id") not in self.versions:
            return 404, {"message": "there is no such version"}
        if not 1 <= int(run["max_concurrency"]) <= 10:
            return 400, {"message": "max_concurrency is from 1 to 10"}
        # As the real one: numbers come back as strings, and what was not said is filled in.
        run = {**run, "max_concurrency": str(run["max_concurrency"])}
        run.setdefault("service_account", "pipeline-runner")
        periodic = run["trigger"].get("periodic_schedule")
        if periodic:
            periodic["interval_second"] = str(periodic["interval_second"])
        run["status"] = "ENABLED" if run["mode"] == "ENABLE" else "DISABLED"
        return 200, self._keep(self.runs, "recurring_run_id", run)

    def _one_run(self, method, name, verb):
        if name not in self.runs:
            return 404, {"message": f"there is no recurring run {name}"}
        if method == "DELETE":
            del self.runs[name]
        elif method == "POST" and verb in (":enable", ":disable"):
            run, is_on = self.runs[name], verb == ":enable"
            run["mode"] = "ENABLE" if is_on else "DISABLE"
            run["status"] = "ENABLED" if is_on else "DISABLED"
        return 200, {}


def _filtered(where, query):
    (predicate,) = json.loads(query["filter"])["predicates"]
    key, value = predicate["key"], predicate.get("string_value") or predicate.get("stringValue")
    return [
        each for each in where.values() if each[{"name": "display_name"}.get(key, key)] == value
    ]


def _page(found, key, query):
    """Three at most, whatever was asked for, so that one must turn pages."""
    begin = int(query.get("page_token") or 0)
    page = {key: found[begin : begin + 3]}
    return 200, page | ({"next_page_token": str(begin + 3)} if begin + 3 < len(found) else {})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece: in two, the second waits for an acknowledgement

    def _handle(self):
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.api.token and self.headers.get("Authorization") != f"Bearer {self.api.token}":
            return self._send(401, {"message": "who are you?"})
        answer = self.api.answer(self.command, url.path, query, self._body(data))
        if answer is None:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(2)
            return None
        return self._send(*answer)

    do_GET = do_POST = do_DELETE = _handle  # noqa: N815 - the names that http.server asks for

    def _body(self, data):
        kind = self.headers.get("Content-Type") or ""
        if not kind.startswith("multipart/"):
            return json.loads(data) if data else {}
        message = BytesParser().parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + data)
        return message.get_payload()[0].get_payload(decode=True).decode()

    def _send(self, status, document):
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass
