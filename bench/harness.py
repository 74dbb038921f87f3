"""What every part of the bench needs: a daemon in a fresh folder, its REST API, medians, rows."""
import atexit
import contextlib
import datetime
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
NIGHTMILL = pathlib.Path(os.environ.get("NIGHTMILL_BUILD", ROOT / "build/release")) / "nightmill"
WORK = ROOT / "build/bench"


class Row:
    """One line of the table: a measured value beside its target and beside others of this run."""

    def __init__(self, name, value, unit, target=None, at_most=True, others=(), note=""):
        self.name, self.value, self.unit, self.note = name, value, unit, note
        self.target, self.at_most = target, at_most
        self.others = list(others)

    def shown(self):
        if self.value is None:
            return "-"
        return f"{self.value:,.0f}" if self.value >= 1000 else f"{self.value:.3g}"

    def bound(self):
        if self.target is None:
            return ""
        return ("<= " if self.at_most else ">= ") + f"{self.target:g}"

    def verdict(self):
        if self.target is None or self.value is None:
            return ""
        good = self.value <= self.target if self.at_most else self.value >= self.target
        return "ok" if good else "MISS"


def instant(text):
    """Seconds since 1970 of an instant of the API."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def median(values):
    return statistics.median(values)


def spread(values):
    return f"{min(values):.3g}..{max(values):.3g}"


def wall(command, **options):
    """Seconds that a command takes; raises if it fails."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                   **options)
    return time.perf_counter() - started


def measured(command, **options):
    """(what it printed, CPU seconds, peak MB) of a command; raises if it fails."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, **options)
        output = process.stdout.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            raise RuntimeError(f"{command}: exit {process.returncode}: {errors.read()[-500:]}")
    return output, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e3


def wait_until(condition, what, seconds=60.0, step=0.001):
    """The first true answer of condition; the bench has no event to wait for outside the daemon."""
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(step)
    raise TimeoutError(f"waited {seconds:.0f} s for {what}")


@contextlib.contextmanager
def fresh_folder():
    """A folder that is deleted when the bench ends, not before.

    For some seconds after many files were deleted ext4 is slow to create new ones.
    """
    WORK.mkdir(parents=True, exist_ok=True)
    folder = tempfile.mkdtemp(dir=WORK)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    yield pathlib.Path(folder)


class Client:
    """The REST API over one connection that stays open."""

    def __init__(self, url, token):
        place = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(place.hostname, place.port, timeout=120)
        self.headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    def exchange(self, method, path, body=None):
        """The bytes of an answer that is no error; ends with the last one."""
        headers = dict(self.headers)
        data = None
        if body is not None:
            data = json.dumps(body)
            headers["Content-Type"] = "application/json"
        self.connection.request(method, "/api/v2" + path, data, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
        return text

    def call(self, method, path, body=None):
        text = self.exchange(method, path, body)
        return json.loads(text) if text else None

    def trigger(self, dag_id):
        return self.call("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": None})["dag_run_id"]

    def ended_run(self, dag_id, run_id):
        """The run once it has ended, asked for seldom: the cores belong to what is measured."""
        run = urllib.parse.quote(run_id, safe="")

        def look():
            found = self.call("GET", f"/dags/{dag_id}/dagRuns/{run}")
            return found if found["state"] in ("success", "failed") else None
        return wait_until(look, f"the end of {run_id}", step=0.05)

    def tasks(self, dag_id, run_id, limit=1000):
        run = urllib.parse.quote(run_id, safe="")
        path = f"/dags/{dag_id}/dagRuns/{run}/taskInstances?limit={limit}"
        return self.call("GET", path)["task_instances"]


class Daemon:
    """`nightmill server` on a state folder; it and its workers end with the `with` block."""

    def __init__(self, folder, slots=2):
        self.folder = folder
        self.state = folder / "state"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        config = folder / "nightmill.json"
        config.write_text(json.dumps({
            "listen": f"127.0.0.1:{port}", "durability": "full", "worker": {"slots": slots}}))
        # Only the way to this state: a context or token of the user must not be taken.
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder),
                            "NIGHTMILL_CONFIG": str(config), "NIGHTMILL_STATE_DIR": str(self.state)}
        self.process = None
        self.client = None

    def start(self):
        server = self.state / "server.json"
        server.unlink(missing_ok=True)
        with open(self.folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                [NIGHTMILL, "server", "--dev", "--state-dir", self.state,
                 "--requests-per-second", "0"],
                env=self.environment, stdout=log, stderr=log)
        self.client = wait_until(self._connect, "the daemon")
        return self

    def _connect(self):
        if self.process.poll() is not None:
            raise RuntimeError("the daemon ended: " + (self.folder / "server.log").read_text())
        try:
            place = json.loads((self.state / "server.json").read_text())
            token = pathlib.Path(place["token_file"])
            client = Client(place["url"], (self.state / token).read_text().strip())
            client.call("GET", "/version")
            return client
        except (OSError, ValueError, http.client.HTTPException):
            return None

    def stop(self):
        if self.process is None:
            return
        children = descendants(self.process.pid)
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        # Workers outlive a daemon on purpose; the bench is done with its own.
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def cli(self, *arguments):
        return subprocess.run([NIGHTMILL, *arguments], env=self.environment, check=True,
                              capture_output=True, text=True).stdout

    def apply(self, *dags):
        folder = self.folder / "dags"
        folder.mkdir(exist_ok=True)
        paths = []
        for dag in dags:
            path = folder / f"{dag['dag_id']}.json"
            path.write_text(json.dumps(dag))
            paths.append(path)
        self.cli("dag", "apply", *paths)

    def run(self, dag_id):
        """Triggers a run and waits for it: (seconds, its run id).

        Counted from before the request to the end that the row of the run tells: one clock.
        """
        started = time.time()
        run_id = self.client.trigger(dag_id)
        run = self.client.ended_run(dag_id, run_id)
        if run["state"] != "success":
            raise RuntimeError(f"run {run_id} of {dag_id} is {run['state']}")
        return instant(run["end_date"]) - started, run_id


def parents():
    """{pid: pid of its parent} of all processes."""
    table = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                text = pathlib.Path(f"/proc/{name}/stat").read_text()
                table[int(name)] = int(text[text.rindex(")") + 2:].split()[1])
    return table


def descendants(root):
    table = parents()
    found, left = [], [root]
    while left:
        parent = left.pop()
        children = [pid for pid, above in table.items() if above == parent]
        found += children
        left += children
    return found


def cpu_seconds(pid):
    """CPU time of all threads of a process, in nanosecond steps (clock ticks are too coarse)."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def pss_mb(pid):
    """Proportional set size: a page shared by n processes counts 1/n. MB = 10^6 bytes."""
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0
