"""What the end-to-end tests share: a daemon in a state directory of its own, a REST client, a wait
on conditions, the ledger that tasks write, and the removal of every process at the end.

Each test program is called as `TEST.py NIGHTMILL SOURCE`: the binary (its worker lies beside it)
and the root of the source tree. Nothing here sleeps but `wait`, between two looks at its condition.
"""
import collections
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

NIGHTMILL, SOURCE = (pathlib.Path(p).resolve() for p in sys.argv[1:3])
PATIENCE_S = 180

sys.path.append(str(SOURCE / "tests" / "api"))
try:
    import contract
    JUDGE = contract.Contract(json.loads((SOURCE / "api" / "openapi.json").read_text()))
except ImportError:  # without jsonschema answers are not held against the contract
    JUDGE = None


def judge(method, path, answer, text):
    """AssertionError for an answer that api/openapi.json does not promise."""
    if JUDGE is not None and method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
        JUDGE.check(method, path, answer.status, answer.headers.get("Content-Type"), text)


def main():
    """Runs the tests of the calling file; further words choose tests, as in unittest."""
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)


def wait(look, what, seconds=PATIENCE_S):
    """The first true answer of `look()`; AssertionError with `what` after `seconds`."""
    until = time.monotonic() + seconds
    while True:
        answer = look()
        if answer:
            return answer
        if time.monotonic() > until:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.01)


def alive(pid):
    """True for a process that exists and is no zombie."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def parent_of(pid):
    try:
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def processes_with(word):
    """Pids of living processes that carry `word` in their environment."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if word.encode() in (entry / "environ").read_bytes() and alive(entry.name):
                found.append(int(entry.name))
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(*words, env=None, cwd=None, stdin="", seconds=PATIENCE_S):
    """Runs `nightmill WORDS`; the CompletedProcess with text."""
    return subprocess.run([NIGHTMILL, *map(str, words)], env=env, cwd=cwd, input=stdin, text=True,
                          capture_output=True, timeout=seconds, check=False)


Line = collections.namedtuple("Line", "word key attempt try_number pid at")


class Ledger:
    """Append-only lines of tasks: `word task-key attempt try pid nanoseconds`."""

    def __init__(self, folder):
        self.path = folder / "ledger"
        self.path.touch()

    def lines(self, word=None, task=None):
        """Whole lines in the order of writing; `task`: [run/]task[/map_index]."""
        text = self.path.read_text()
        lines = [Line(*line.split()) for line in text[: text.rfind("\n") + 1].splitlines()]
        return [Line(l.word, l.key, l.attempt, int(l.try_number), int(l.pid), int(l.at))
                for l in lines
                if word in (None, l.word)
                and (task is None or f"/{task}/" in f"{l.key}/")]


class Sandbox:
    """A temporary folder and everything that was started in it. TMPDIR names the folder, and all
    processes inherit it, so that they are found at the end whoever their parent is by then."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="nm-e2e-"))
        self.state = self.folder / "state"
        self.files = self.folder / "files"
        self.files.mkdir()
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "TZ": "UTC",
                    "TMPDIR": str(self.folder), "NIGHTMILL_STATE_DIR": str(self.state)}

    def close(self):
        """Kills what is left (the killers first, so that nobody starts anything again)."""
        for _ in range(100):
            left = processes_with(f"TMPDIR={self.folder}")
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if not left:
                break
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, name, content):
        """A file below `files`; JSON if it is not text or bytes. Returns its path."""
        path = self.files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def cli(self, *words, **options):
        return run(*words, env=self.env, cwd=options.pop("cwd", self.files), **options)

    def commands(self):
        """{pid: command line} of the sandbox."""
        lines = {}
        for pid in processes_with(f"TMPDIR={self.folder}"):
            with contextlib.suppress(OSError):
                line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
                lines[pid] = line.replace(b"\0", b" ").decode(errors="replace")
        return lines


class Daemon(Sandbox):
    """`nightmill server --dev` in a sandbox; may be killed and started again on the same state."""

    def __init__(self, *words):
        super().__init__()
        self.words = words
        self.log = self.folder / "server.log"
        self.process = None
        self.port = 0

    def start(self, output=None):
        """Waits until it answers. `output`: a descriptor for what it prints, else its log file."""
        known = self.state / "server.json"
        known.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [NIGHTMILL, "server", "--dev", "--listen", f"127.0.0.1:{self.port}",
                 "--requests-per-second", "0", *self.words],
                env=self.env, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output or log,
                stderr=output or log)
        wait(lambda: self.process.poll() is not None or known.exists(), "server.json")
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon did not start:\n{self.log.read_text()}")
        self.port = int(json.loads(known.read_text())["url"].rpartition(":")[2])
        self.token = (self.state / "cli.token").read_text().strip()
        return self

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        super().close()

    def kill(self):
        """kill -9 of the daemon alone."""
        self.process.kill()
        self.process.wait()

    def signal(self, number=signal.SIGTERM):
        """Sends a signal; the exit code and the seconds that it took."""
        began = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S), time.monotonic() - began

    # ---- REST

    def request(self, method, path, body=None, headers=None, token=True):
        """(status, parsed body). `body` is sent as it is when it is bytes."""
        sent = {"Host": f"127.0.0.1:{self.port}", "Accept": "application/json"}
        if token:
            sent["Authorization"] = f"Bearer {self.token}"
        sent.update(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            client.request(method, path, body, sent)
            answer = client.getresponse()
            text = answer.read()
        finally:
            client.close()
        judge(method, path, answer, text)
        self.etag = answer.headers.get("ETag")
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text

    def call(self, method, path, body=None, headers=None):
        status, answer = self.request(method, f"/api/v2{path}", body, headers)
        if status >= 300:
            raise AssertionError(f"{method} {path}: {status} {answer}")
        return answer

    def get(self, path):
        return self.call("GET", path)

    def apply(self, dag):
        """Hands over a DAG given as a dict, as a file below `files`."""
        path = self.write(f"{dag['dag_id']}.json", dag)
        return self.call("PUT", f"/dags/{dag['dag_id']}/source?fileloc={path}", dag,
                         self.over(dag["dag_id"]))

    def over(self, dag_id):
        """The header that a PUT of a source needs: over what is there, or as a new DAG."""
        status, _ = self.request("GET", f"/api/v2/dagSources/{dag_id}")
        return {"If-Match": self.etag} if status == 200 else {"If-None-Match": "*"}

    def trigger(self, dag_id, **body):
        return self.call("POST", f"/dags/{dag_id}/dagRuns", body)["dag_run_id"]

    def run_of(self, dag_id, run_id="~latest"):
        return self.get(f"/dags/{dag_id}/dagRuns/{quote(run_id)}")

    def run_count(self, dag_id, state=""):
        query = f"?state={state}" if state else ""
        return self.get(f"/dags/{dag_id}/dagRuns{query}")["total_entries"]

    def tasks(self, dag_id, run_id="~latest"):
        """{"task_id" or "task_id/index": task instance}."""
        rows = self.get(f"/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances?limit=1000")
        return {row["task_id"] + (f"/{row['map_index']}" if row["map_index"] >= 0 else ""): row
                for row in rows["task_instances"]}

    def states(self, dag_id, run_id="~latest"):
        return {name: task["state"] for name, task in self.tasks(dag_id, run_id).items()}

    def ended(self, dag_id, run_id="~latest"):
        """Waits for the end of a run; its row."""
        def look():
            row = self.run_of(dag_id, run_id)
            return row if row["state"] in ("success", "failed") else None
        return wait(look, lambda: f"{dag_id} {run_id} ended; {self.states(dag_id, run_id)}\n"
                                  f"{self.log.read_text()}")

    # ---- processes and rows

    def connected(self):
        return any(w["state"] == "connected" for w in self.get("/workers")["workers"])

    def worker(self):
        """Pid of the worker, once it is connected."""
        wait(self.connected, "a connected worker")
        return wait(lambda: next((pid for pid, line in self.commands().items()
                                  if "nightmill-worker" in line and "--name" in line), None),
                    "the worker's process")

    def hosts(self, worker):
        """Pids of the worker's operator hosts."""
        return [pid for pid, line in self.commands().items()
                if "--operator-host" in line and parent_of(pid) == worker]

    def rows(self, sql, *values):
        """Rows of the database, opened read-only."""
        base = sqlite3.connect(f"file:{self.state}/nightmill.db?mode=ro", uri=True)
        with contextlib.closing(base):
            base.row_factory = sqlite3.Row
            return [dict(row) for row in base.execute(sql, values)]


def quote(segment):
    return segment.replace("%", "%25").replace("+", "%2B")


class DaemonTest(unittest.TestCase):
    """A test with one running daemon, `self.daemon`, and the words it was started with."""
    WORDS = ()

    def setUp(self):
        self.daemon = Daemon(*self.WORDS)
        self.addCleanup(self.daemon.close)
        self.daemon.start()


TASK = r'''
note() {
  echo "$1 $NIGHTMILL_TASK_KEY $NIGHTMILL_ATTEMPT $NIGHTMILL_TRY_NUMBER $$ $(date +%s%N)" \
    >> "$LEDGER"
}
# The kernel gives the lock back when the last process of the attempt is gone, and not earlier.
exec 9> "$LEDGER.$(echo "$NIGHTMILL_TASK_KEY" | tr / _)"
flock -n 9 || note overlap
note start
case $1 in
  quick) ;;
  nap) sleep "$2" ;;
  gate) while [ ! -e "$2" ]; do sleep 0.02; done ;;
  flaky) [ "$NIGHTMILL_TRY_NUMBER" -ge 2 ] || { note fail; exit 1; } ;;
  deaf) trap '' TERM; note deaf; while [ ! -e "$2" ]; do sleep 0.02; done ;;
esac
note end
'''


class Scribes:
    """Tasks that write the ledger of a sandbox: start, end, and `overlap` if another attempt of the
    same task instance still lives."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.ledger = Ledger(sandbox.folder)
        self.script = sandbox.write("task.sh", TASK)

    def task(self, name, mode="quick", value="", after=(), **fields):
        """A task for a DAG; with mode `gate` or `deaf` it lasts until open(value)."""
        if mode in ("gate", "deaf"):
            value = self.gate(value)
        return {"id": name, "type": "exec", "depends_on": list(after),
                "argv": ["/bin/sh", str(self.script), mode, str(value)],
                "env": {"LEDGER": str(self.ledger.path)}, **fields}

    def gate(self, name):
        return self.sandbox.folder / f"gate-{name}"

    def open(self, name):
        self.gate(name).touch()

    def started(self, task, count=1):
        """Waits for `count` start lines of a task; the last of them."""
        def look():
            lines = self.ledger.lines("start", task)
            return lines[-1] if len(lines) >= count else None

        def tail():
            return self.ledger.lines()[-10:]
        return wait(look, lambda: f"{count} start lines of {task}, last lines: "
                                  f"{[(l.word, l.key, l.try_number) for l in tail()]}")
