"""Compares nightmill with jinja2 (StrictUndefined) on random templates from a fixed seed.

usage: compare_jinja.py TOOL [COUNT [SEED]]
For each template both must print the same text, or both must refuse it.
"""

import datetime
import json
import random
import shlex
import subprocess
import sys
import warnings

import jinja2

UTC = datetime.timezone.utc
CONTEXT = {
    "dag_id": "user_features",
    "run_id": "scheduled__2011-05-30T06:00:00+00:00",
    "task_id": "load",
    "map_index": 3,
    "try_number": 2,
    "data_date": "2011-05-30",
    "logical_date": "2011-05-30T06:00:00Z",
    "data_interval_start": "2011-05-30T06:00:00Z",
    "data_interval_end": "2011-05-31T06:30:15.250000Z",
    "params": {
        "n": 7,
        "zero": 0,
        "neg": -3,
        "big": 123456789012,
        "x": 2.5,
        "tiny": 0.00001,
        "huge": 1e20,
        "flag": True,
        "off": False,
        "nothing": None,
        "name": "Ann O'Neil",
        "path": "/data/in put",
        "empty": "",
        "num_text": " 42 ",
        "float_text": "3.75",
        "words": "b a  c\tB",
        "uni": "Grüße Ωmega ж",
        "html": "<a href='x'>&\"</a>",
        "list": [3, 1, 2, 3],
        "names": ["beta", "Alpha", "gamma", "alpha"],
        "none_list": [],
        "nested": {"a": {"b": [10, 20, {"c": "deep"}]}, "k": "v"},
        "mixed": [1, "two", None, 2.5],
        "rows": [{"id": 2, "n": "y"}, {"id": 1, "n": "x"}],
    },
    "conf": {"mode": "full", "limit": 5},
    "map_item": {"name": "shard-3", "lo": 30, "hi": 40},
    "outputs": {"list": ["a.csv", "b.csv"], "count": 12, "report": {"rows": 1000, "ok": True}},
}

INTS = [
    "params.n",
    "params.zero",
    "params.neg",
    "params.big",
    "map.index",
    "ti.try_number",
    "outputs.count",
    "outputs.report.rows",
    "dag_run.conf.limit",
    "data_interval_start.year",
    "data_interval_start.weekday()",
    "logical_date.hour",
    "data_interval_end.minute",
    "params.list[0]",
    "params.nested.a.b[1]",
    "map.item.lo",
    "params.list|length",
    "params.name|length",
]
FLOATS = [
    "params.x",
    "params.tiny",
    "params.huge",
    "params.float_text|float",
    "data_interval_start.timestamp()",
    "params.mixed[3]",
]
TEXTS = [
    "ds",
    "ds_nodash",
    "ts",
    "ts_nodash",
    "ts_nodash_with_tz",
    "data_date",
    "run_id",
    "params.name",
    "params.path",
    "params.empty",
    "params.words",
    "params.uni",
    "params.html",
    "params.num_text",
    "dag.dag_id",
    "task.task_id",
    "ti.task_id",
    "dag_run.run_id",
    "map.item.name",
    "dag_run.conf.mode",
    "outputs.list[1]",
    "params.nested.a.b[2].c",
    "params['name']",
    "params.names[-1]",
    "data_interval_start.isoformat()",
    "data_interval_end.strftime('%Y/%m/%d %H-%M-%S.%f %j %a %b %p')",
    "logical_date.strftime('%A %d %B %y %I:%M %U %W %V %G %u %w %z %Z %%')",
    "logical_date | ds",
    "data_interval_end | ts",
    "data_interval_end|ds_nodash",
    "data_interval_end|ts_nodash",
    "data_interval_start | ts_nodash_with_tz",
]
LISTS = [
    "params.list",
    "params.names",
    "params.none_list",
    "params.mixed",
    "outputs.list",
    "params.words.split()",
    "ds.split('-')",
    "params.path.split('/', 1)",
    "params.nested.a.b",
]
DATES = ["data_interval_start", "data_interval_end", "logical_date", "dag_run.data_interval_start"]
BAD = [
    "params.nope",
    "params.nested.x.y",
    "nope",
    "params.list[9]",
    "outputs.gone",
    "params.nothing.x",
    "params.name.foo",
    "ds[99]",
    "params.none_list|first",
]
STRINGS = [
    "'a'",
    '"b c"',
    "''",
    "'it\\'s'",
    '"q\\"x"',
    "'\\n'",
    "'\\u00e9'",
    "'%'",
    "'2'",
    "'x' 'y'",
    "'{{'",
]


class Generator:
    def __init__(self, rng):
        self.rng = rng
        self.in_list = 0

    def pick(self, items):
        return items[self.rng.randrange(len(items))]

    def spaces(self):
        return self.pick(["", " ", " ", "  "])

    def integer(self, depth):
        if depth <= 0 or self.rng.random() < 0.3:
            return self.pick(INTS + [str(self.rng.randrange(20)), "1_000", "0"])
        kind = self.rng.randrange(9)
        a, b = self.integer(depth - 1), self.integer(depth - 1)
        if kind < 4:
            return f"({a} {self.pick(['+', '-', '*', '//', '%'])} {b})"
        if kind == 4:
            return f"({self.integer(0)} % 7) ** {self.rng.randrange(4)}"
        if kind == 5:
            return f"-{self.integer(0)}"
        if kind == 6:
            return f"{self.text(depth - 1)}|int{self.pick(['', '(5)', '(default=-1)'])}"
        if kind == 7:
            return f"({self.list(depth - 1)})|length"
        return f"({a} if {self.boolean(depth - 1)} else {b})"

    def number(self, depth):
        if self.rng.random() < 0.5:
            return self.integer(depth)
        if depth <= 0 or self.rng.random() < 0.3:
            return self.pick(FLOATS + ["0.5", "1e3", "2.5e-7", "10.0"])
        a, b = self.number(depth - 1), self.number(depth - 1)
        kind = self.rng.randrange(6)
        if kind < 3:
            return f"({a} {self.pick(['+', '-', '*', '/', '//', '%'])} {b})"
        if kind == 3:
            method = self.pick(
                ["", "(1)", "(2, 'ceil')", "(method='floor')", "(precision=3)", "(-2)"]
            )
            return f"({a})|round{method}"
        if kind == 4:
            return f"({a})|float"
        return f"{self.integer(0)} / {self.integer(0)}"

    def text(self, depth):
        if depth <= 0 or self.rng.random() < 0.3:
            return self.pick(TEXTS + STRINGS)
        kind = self.rng.randrange(14)
        a = self.text(depth - 1)
        if kind == 0:
            return f"({a} ~ {self.value(depth - 1)})"
        if kind == 1:
            return f"({a} + {self.text(depth - 1)})"
        if kind == 2:
            return f"({a})|{self.pick(['upper', 'lower', 'trim', 'trim', 'q', 'first', 'last'])}"
        if kind == 3:
            old, new = self.pick(["'a'", "'-'", "''", "'/'", "' '"]), self.pick(STRINGS)
            return f"({a})|replace({old}, {new}{self.pick(['', ', 2', ', count=1'])})"
        if kind == 4:
            separator = self.pick(["", "(', ')", "(d='-')"])
            return f"({self.list(depth - 1)})|join{separator}"
        if kind == 5:
            return f"({a} if {self.boolean(depth - 1)} else {self.text(depth - 1)})"
        if kind == 6:
            part = self.pick(["0", "-1", "1:", ":4", "-3:", "::2", "::-1", "2:5", "5:2:-1"])
            return f"({a})[{part}]"
        if kind == 7:
            return f"({a}).split('a')|join('|')"
        if kind == 8:
            return f"({a}).strip({self.pick(['', chr(39) + 'a/2' + chr(39)])})"
        if kind == 9:
            return f"({a} * {self.rng.randrange(-1, 4)})"
        if kind == 10:
            n = self.rng.randrange(-40, 400)
            return self.pick(
                [
                    f"macros.ds_add(ds, {n})",
                    f"macros.ds_add(data_date, days={n})",
                    f"macros.ds_format(ds, '%Y-%m-%d', '%d.%m.%y %B')",
                    f"macros.ds_range(data_date, {min(n, 3) % 9 - 6}, 0)|join(' ')",
                ]
            )
        if kind == 11:
            return f"({self.pick(BAD)})|default({a})"
        if kind == 12:
            return f"({a} or {self.text(depth - 1)})"
        return f"({self.list(depth - 1)})|{self.pick(['first', 'last'])}"

    def boolean(self, depth):
        if depth <= 0 or self.rng.random() < 0.2:
            return self.pick(
                [
                    "true",
                    "False",
                    "params.flag",
                    "params.off",
                    "params.n > 3",
                    "outputs.report.ok",
                    "params.nothing is none",
                    "params.nope is defined",
                    "ds is not undefined",
                ]
            )
        kind = self.rng.randrange(9)
        if kind < 3:
            ops = ["==", "!=", "<", "<=", ">", ">="]
            chain = f" {self.pick(ops)} {self.number(depth - 1)}" if self.rng.random() < 0.3 else ""
            return f"({self.number(depth - 1)} {self.pick(ops)} {self.number(depth - 1)}{chain})"
        if kind == 3:
            op = self.pick(["in", "not in", "==", "<"])
            return f"({self.text(depth - 1)} {op} {self.text(depth - 1)})"
        if kind == 4:
            return (
                f"({self.number(depth - 1)} {self.pick(['in', 'not in'])} {self.list(depth - 1)})"
            )
        if kind == 5:
            return (
                f"({self.boolean(depth - 1)} {self.pick(['and', 'or'])} {self.boolean(depth - 1)})"
            )
        if kind == 6:
            return f"not {self.boolean(depth - 1)}"
        if kind == 7:
            method = self.pick(["startswith", "endswith"])
            return f"({self.text(depth - 1)}).{method}({self.pick(STRINGS)})"
        return f"({self.date(depth - 1)} {self.pick(['<', '>=', '=='])} {self.date(depth - 1)})"

    def list(self, depth):
        if depth <= 0 or self.rng.random() < 0.3:
            return self.pick(LISTS)
        kind = self.rng.randrange(8)
        if kind == 0:
            self.in_list += (
                1  # Jinja keeps an undefined item until it is used; we refuse it at once
            )
            items = [self.value(depth - 1) for _ in range(self.rng.randrange(4))]
            self.in_list -= 1
            return "[" + ", ".join(items) + "]"
        if kind == 1:
            options = self.pick(["", "(reverse=true)", "(case_sensitive=true)"])
            return f"({self.list(depth - 1)})|sort{options}"
        if kind == 2:
            return f"({self.list(depth - 1)})|unique|sort"
        if kind == 3:
            return f"({self.list(depth - 1)})[{self.pick(['1:', ':2', '::-1', '-2:', '0:9:2'])}]"
        if kind == 4:
            return f"({self.list(depth - 1)} + {self.list(depth - 1)})"
        if kind == 5:
            return f"({self.text(depth - 1)}).split({self.pick(['', chr(39) + '-' + chr(39)])})"
        if kind == 6:
            return self.pick(
                [
                    "params.rows|sort(attribute='id')",
                    "params.rows|sort(attribute='n', reverse=true)",
                ]
            )
        return f"({self.list(depth - 1)} * {self.rng.randrange(3)})"

    def date(self, depth):
        base = self.pick(DATES)
        if depth <= 0 or self.rng.random() < 0.4:
            return base
        sign = self.pick(["+", "-"])
        delta = self.pick(
            ["days=3", "hours=-5", "minutes=90", "weeks=1", "seconds=0.5", "1", "days=1.5", "0, 30"]
        )
        return f"({base} {sign} macros.timedelta({delta}))"

    def value(self, depth):
        kind = self.rng.randrange(12)
        if kind < 3:
            return self.number(depth)
        if kind < 6:
            return self.text(depth)
        if kind == 6:
            return self.boolean(depth)
        if kind == 7:
            return self.list(depth)
        if kind == 8:
            return self.date(depth)
        if kind == 9:
            return self.pick(
                [
                    "params.nothing",
                    "params.nested",
                    "map.item",
                    "{'k': params.n, \"j\": [1]}",
                    "(data_interval_end - data_interval_start)",
                    "data_interval_start.date()",
                    "(data_interval_end - data_interval_start).total_seconds()",
                    "(data_interval_end - logical_date).days",
                    "macros.timedelta(hours=-3, days=2) * 1.5",
                    "data_interval_end.date() - data_interval_start.date()",
                    "none",
                ]
            )
        if kind == 10:
            return (
                f"({self.value(depth - 1)})|default({self.value(depth - 1)}, true)"
                if depth > 0
                else "1"
            )
        if self.rng.random() < 0.3 and not self.in_list:
            return self.pick(BAD)
        return self.text(depth)

    def whole(self):
        """An expression that is printed as it is."""
        if self.rng.random() < 0.15:
            return self.raw_operators()
        value = self.value(self.rng.randrange(1, 4))
        # Only printed: Jinja's tojson gives markup, which escapes the texts that it meets.
        return (
            f"({value})|tojson{self.pick(['', '', '(indent=2)'])}"
            if self.rng.random() < 0.1
            else value
        )

    def raw_operators(self):
        """Operators without parentheses, to compare the precedence."""
        parts = [self.pick(["2", "3", "params.n", "-1", "0.5", "params.neg", "-params.n|round"])]
        for _ in range(self.rng.randrange(1, 5)):
            op = self.pick(
                ["+", "-", "*", "/", "//", "%", "**", "~", "==", "<", "in", "and", "or", "not in"]
            )
            operand = (
                "[1, 7, 2]"
                if op in ("in", "not in")
                else self.pick(["2", "1", "params.n", "-2", "not 0", "'5'|int"])
            )
            parts += [op, operand]
        return " ".join(parts)

    def template(self):
        out = []
        for _ in range(self.rng.randrange(1, 4)):
            out.append(
                self.pick(
                    ["", "", "x=", " plain text ", "a}} b", "\n", "{ % }", "échec ", "{# note #}"]
                )
            )
            expression = self.whole()
            left, right = self.pick([("{{", "}}")] * 8 + [("{{-", "}}"), ("{{", "-}}")])
            out.append(f"{left} {expression}{self.spaces() or ' '}{right}")
        out.append(self.pick(["", "", " end", "\n"]))
        return "".join(out)


class Macros:
    timedelta = datetime.timedelta

    @staticmethod
    def ds_add(ds, days):
        return (datetime.date.fromisoformat(ds) + datetime.timedelta(days)).isoformat()

    @staticmethod
    def ds_format(ds, input_format, output_format):
        return datetime.datetime.strptime(str(ds), input_format).strftime(output_format)

    @staticmethod
    def ds_range(date, start, end):
        return [Macros.ds_add(date, i) for i in range(start, end + 1)]


def jinja_context():
    def instant(key):
        return datetime.datetime.fromisoformat(CONTEXT[key].replace("Z", "+00:00"))

    logical = instant("logical_date")
    start, end = instant("data_interval_start"), instant("data_interval_end")
    run = {
        "run_id": CONTEXT["run_id"],
        "conf": CONTEXT["conf"],
        "data_interval_start": start,
        "dag_id": CONTEXT["dag_id"],
        "logical_date": logical,
    }
    return {
        "params": CONTEXT["params"],
        "outputs": CONTEXT["outputs"],
        "macros": Macros,
        "map": {"item": CONTEXT["map_item"], "index": CONTEXT["map_index"]},
        "ti": {"task_id": CONTEXT["task_id"], "try_number": CONTEXT["try_number"]},
        "task": {"task_id": CONTEXT["task_id"]},
        "dag": {"dag_id": CONTEXT["dag_id"]},
        "dag_run": run,
        "run_id": CONTEXT["run_id"],
        "data_date": CONTEXT["data_date"],
        "logical_date": logical,
        "data_interval_start": start,
        "data_interval_end": end,
        "ds": logical.strftime("%Y-%m-%d"),
        "ds_nodash": logical.strftime("%Y%m%d"),
        "ts": logical.isoformat(),
        "ts_nodash": logical.strftime("%Y%m%dT%H%M%S"),
        "ts_nodash_with_tz": logical.isoformat().replace("-", "").replace(":", ""),
    }


def jinja_environment():
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    environment.filters.update(
        q=lambda value: shlex.quote(value if isinstance(value, str) else refuse_or_text(value)),
        ds=lambda value: value.strftime("%Y-%m-%d"),
        ds_nodash=lambda value: value.strftime("%Y%m%d"),
        ts=lambda value: value.isoformat(),
        ts_nodash=lambda value: value.strftime("%Y%m%dT%H%M%S"),
        ts_nodash_with_tz=lambda value: value.isoformat().replace("-", "").replace(":", ""),
    )
    return environment


def refuse_or_text(value):
    if isinstance(value, (list, dict)):
        raise TypeError("q quotes one word")
    return str(value)


def expected(environment, text, context):
    try:
        return {"text": environment.from_string(text).render(context)}
    except Exception as error:  # whatever Jinja or Python refuses, we refuse
        return {"error": f"{type(error).__name__}: {error}"}


def is_stricter(error, text):
    """Our limits, and undefined items of a list: Jinja prints the word, we refuse them."""
    limits = ("64 bits", "the list has more than", "the text is longer than")
    return any(limit in error for limit in limits) or bool(error) and "Undefined" in text


def main():
    warnings.simplefilter("ignore")  # of the Python that Jinja makes from odd templates
    tool = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    generator = Generator(random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 20260316))
    templates = [generator.template() for _ in range(count)]
    environment, context = jinja_environment(), jinja_context()
    requests = "".join(json.dumps({"template": t, "context": CONTEXT}) + "\n" for t in templates)
    replies = subprocess.run(
        [tool], input=requests, capture_output=True, text=True, check=True
    ).stdout
    bad = errors = 0
    for template, line in zip(templates, replies.splitlines(), strict=True):
        ours, theirs = json.loads(line), expected(environment, template, context)
        errors += "error" in theirs
        if is_stricter(ours.get("error", ""), theirs.get("text", "")):
            continue
        if ("error" in ours) != ("error" in theirs) or ours.get("text") != theirs.get("text"):
            bad += 1
            if bad <= 20:
                print(f"{template!r}\n  ours   {ours}\n  jinja  {theirs}")
    print(f"{count} templates, {errors} refused by both, {bad} different")
    # A generator that only makes errors proves nothing.
    sys.exit(1 if bad or errors > count * 0.6 else 0)


if __name__ == "__main__":
    main()
