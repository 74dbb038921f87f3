"""The rules of the tidy test, as tables: what is banned, where, and what to use instead.

Paths are relative to the root of the repository; a prefix ends with "/" or names one file (or, with
"clock.", the files clock.h and clock.cc). The checks that read these tables are in checks.py.
"""
import re

# Which files of the project a room may include. The longest matching room wins; a file may always
# include its own room. tests and bench may include everything.
ROOM_INCLUDES = {
    "core/": ("core/",),
    "scheduler/engine/": ("scheduler/engine/", "core/"),
    "store/": ("store/", "core/"),
    "worker/protocol/": ("worker/protocol/", "core/"),
    "operators/": ("operators/", "core/"),
    "worker/runtime/": ("worker/runtime/", "worker/protocol/", "operators/operator.h", "core/"),
    "scheduler/daemon/": ("scheduler/daemon/", "scheduler/engine/", "store/", "worker/protocol/",
                          "core/"),
    # What the API asks of the engine: events in, replies out, and looks at a const Engine&.
    "api/": ("api/", "scheduler/daemon/alerts/desk.h", "scheduler/daemon/mailbox.h",
             "scheduler/engine/engine.h",
             "scheduler/engine/event.h", "scheduler/engine/command.h", "scheduler/engine/explain.h",
             "store/queries.h", "store/views.h", "web/assets.h", "core/"),
    "cli/": ("",),
    "tests/": ("",),
    "bench/": ("",),
}

# Headers of each third-party library, by the start of their name.
LIBRARIES = {
    "fmt": ("fmt/",),
    "json": ("nlohmann/", "core/base/json.h"),
    "valijson": ("valijson/",),
    "asio": ("boost/asio", "boost/system"),
    "beast": ("boost/beast",),
    "boost-url": ("boost/url",),
    "httplib": ("httplib.h",),
    "spdlog": ("spdlog/",),
    "prometheus": ("prometheus/",),
    "sqlite": ("sqlite3.h",),
    "openssl": ("openssl/",),
    "zlib": ("zlib.h",),
    "arrow": ("arrow/", "parquet/"),
    "cli11": ("CLI/",),
    "gtest": ("gtest/", "gmock/"),
}

# Which libraries a room may include; the longest matching row wins.
ROOM_LIBRARIES = {
    "core/": ("fmt", "json"),
    "core/dagfile/json_schema.cc": ("fmt", "json", "valijson"),
    "scheduler/engine/": ("fmt", "json"),
    "store/": ("fmt", "sqlite"),
    "worker/protocol/": ("fmt", "json"),
    "worker/runtime/": ("fmt", "asio", "json"),
    "operators/": ("fmt", "json"),
    "operators/columnar/": ("fmt", "json", "arrow", "zlib"),
    "scheduler/daemon/": ("fmt", "json", "asio", "spdlog", "prometheus"),
    "scheduler/daemon/alerts/": ("fmt", "json", "httplib", "spdlog", "openssl"),
    "api/": ("fmt", "json", "boost-url", "openssl", "zlib"),
    "api/http_server": ("fmt", "json", "asio", "beast", "boost-url", "openssl", "spdlog", "zlib"),
    "cli/": ("fmt", "json", "asio", "httplib", "spdlog", "openssl", "cli11"),
    "tests/": tuple(LIBRARIES),
    "bench/": tuple(LIBRARIES),
}

# The only includer of the JSON library's header, and headers that hold JSON values, so that all who
# include them compile all of it: private to a room whose sources need it anyway. Others use
# <nlohmann/json_fwd.hpp>.
JSON_HOME = "core/base/json.h"
JSON_HEADERS = ("core/dagfile/draft.h",)

# Headers of the system that a pure room has no use for: no I/O, no clock, no threads.
PURE_ROOMS = ("core/", "scheduler/engine/")
IMPURE_HEADERS = ("thread", "mutex", "shared_mutex", "condition_variable", "future", "fstream",
                  "iostream", "filesystem", "unistd.h", "fcntl.h", "sys/", "poll.h",
                  "spawn.h", "pthread.h", "random", "ctime", "time.h")
# Core reads the system's zone database itself and shares one parsed copy between threads.
IMPURE_ALLOWED = {"core/schedule/zone_file.cc": ("fstream", "filesystem"),
                  "core/schedule/time_zone.cc": ("mutex", "shared_mutex")}

CLOCKS = ("scheduler/daemon/clock.", "worker/runtime/clock.", "operators/clock.")

# (name, pattern over code without comments and literals, files where it is allowed, what to use). A
# match of the group `owned` is fine.
BANNED_CALLS = (
    ("clock", r"\b(?:system|steady|high_resolution|utc|file)_clock\s*::\s*now\b"
              r"|\bclock_gettime\s*\(|\bgettimeofday\s*\(|(?<![\w.>:])(?:std::)?time\s*\(\s*"
              r"(?:nullptr|NULL|0|&)", CLOCKS + ("tests/", "bench/"),
     "take `now` as a parameter, or ask the room's clock.h"),
    ("random_device", r"\brandom_device\b", ("tests/tidy/",), "core/base/rng.h with a given seed"),
    ("rand", r"(?<![\w.>])(?:std::)?s?rand\s*\(", (), "core/base/rng.h with a given seed"),
    ("sleep", r"\bsleep_(?:for|until)\b|(?<![\w.>])(?:::)?(?:u|nano)?sleep\s*\(",
     ("tests/support/", "bench/"), "a timer of the event loop, or wait for the condition itself"),
    ("getenv", r"\b(?:secure_)?getenv\s*\(", ("cli/", "tests/", "bench/"),
     "a parameter: cli reads the environment"),
    ("stdout", r"\bstd\s*::\s*c(?:out|err)\b|(?<![\w.>:])(?:std::)?(?:printf|puts)\s*\(",
     ("cli/", "tests/", "bench/"), "return the text; only cli prints (daemon and worker log)"),
    ("raw new", r"(?P<owned>unique_ptr\s*<[\w:<>, ]*>\s*(?:\w+\s*)?[({]\s*)?\bnew\s+[A-Za-z_:]", (),
     "std::make_unique (with a private constructor std::unique_ptr<T>(new T)) or a container"),
    ("raw delete", r"\bdelete\b\s*(?:\[\s*\]\s*)?[A-Za-z_:(*]", (),
     "a std::unique_ptr that owns it"),
    ("sqlite3", r"\bsqlite3_\w+\s*\(", ("store/", "tests/unit/store/"),
     "store/sqlite.h, store/queries.h"),
    ("fork", r"(?<![\w.>])(?:::)?v?fork\s*\(", (), "posix_spawn (worker/runtime/process_runner)"),
)

# Text that never ships: leftovers, and places of one machine.
LEFTOVER = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")
MACHINE_PATHS = re.compile(
    r"(?<![\w.])/(?:wo" r"rk|ro" r"ot|ho" r"me/\w+|Us" r"ers/\w+)/"
    r"|\.\./(?:sha" r"red|\.lib" r"rary)|/tmp/n" r"m\b"
    r"|\bpy" r"pi\.org|pythonhos" r"ted|registry\.np" r"mjs")

# Citations in comments: the file name of a page in docs/, then sections (2.3 or 1.1, 6 or R1-R4).
# The page must have a heading of each number, and somewhere each label.
CITING_FILES = re.compile(r"\.(?:h|cc|c|py|sh|sql)$")
_SECTION = r"(?:\d+(?:\.\d+)*|[A-Z]\d+)"
_GAP = r"(?:\s|//|#)+"
_LIST = rf"{_SECTION}\b(?:(?:-|,?{_GAP}(?:and )?){_SECTION}\b)*"
CITATION = re.compile(rf"(?<![\w/.-])(?P<name>[a-z_]+)\.md\b(?:,?{_GAP}(?P<sections>{_LIST}))?")
SECTION = re.compile(_SECTION)

# SQL in a literal; it may not be glued together with values (bind them) by any of SQL_GLUE.
SQL_START = re.compile(r"\s*(?:SELECT\s|INSERT\s+(?:OR\s+\w+\s+)?INTO\s|UPDATE\s+\w+\s+SET\s|"
                       r"DELETE\s+FROM\s|REPLACE\s+INTO\s|ATTACH\s|WITH\s+\w+\s+AS\s)",
                       re.IGNORECASE)
SQL_GLUE = re.compile(r"fmt::format\s*\(|\bformat_to\b|StrCat\s*\(|\+=?|<<|\.append\s*\(")

# (kind, which files, most lines)
FILE_SIZES = (
    ("test file", re.compile(r"^tests/.*\.(?:h|cc|py|sh)$"), 1000),
    ("header", re.compile(r"\.h$"), 200),
    ("source", re.compile(r"\.(?:cc|c|py|sh)$"), 600),
)
FUNCTION_LINES = 70
COLUMNS = 100
COLUMN_FILES = re.compile(r"\.(?:h|cc|c|py|sh|cmake|in)$|CMakeLists\.txt$|^Makefile$"
                          r"|^dags/demo/.*\.json$")

# Not ours to tidy, or written by tools.
SKIPPED_FOLDERS = (".git/", "build/", ".demo/", "node_modules/", "tests/data/", "dags/sample/",
                   "__pycache__/", ".vscode/", ".cache/")
TEXT_FILES = re.compile(r"\.(?:h|cc|c|py|sh|md|txt|cmake|in|json|sql|scn|yml|yaml)$"
                        r"|(?:^|/)(?:Makefile|NOTICE|run)$")
CODE_ROOMS = ("core/", "scheduler/", "store/", "worker/", "operators/", "api/", "cli/", "tests/",
              "bench/")
