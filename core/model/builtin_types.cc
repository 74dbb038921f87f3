// The task types that the engine and the worker know by themselves. Native operators come from
// operators/catalog.
#include "core/model/operator_catalog.h"

namespace nightmill {
namespace {

OperatorEntry Exec() {
  return {"exec",
          TaskKind::kProcess,
          "Runs a program with arguments, without a shell.",
          R"(Runs `argv` as a child process of the worker. Each element is rendered by itself and is
never split again, so a value with spaces or quotes stays one argument. `argv[0]` is looked up in
`PATH` if it has no slash. Exit 0 is success, 99 (`skip_exit_code`) skipped, 98
(`no_retry_exit_code`) failed without retry. What the program writes to `$NIGHTMILL_OUTPUT` becomes
`outputs.<id>`; files it leaves in `$NIGHTMILL_OUTPUT_DIR` are kept as `outputs.<id>.artifact`.)",
          R"({"properties": {
  "argv": {"type": "array", "minItems": 1, "items": {"type": "string"},
    "description": "Program and arguments; each element is a template, never split again.",
    "examples": [["/usr/bin/python3", "train.py", "--day", "{{ data_date }}"]]}},
  "required": ["argv"]})",
          {}};
}

OperatorEntry Shell() {
  return {"shell",
          TaskKind::kProcess,
          "Runs a script with /bin/sh -euc.",
          R"(Runs `run` with `/bin/sh -euc`. Values reach the script as environment variables
(`env`, and `NIGHTMILL_*` for dates, ids, params and the map item) or shell-quoted as
`{{ x | q }}`. A raw `{{ x }}` is refused, but for the engine's own dates and ids: a value with a
quote or a `;` in it would otherwise become part of the program.)",
          R"({"properties": {
  "run": {"type": "string", "minLength": 1,
    "description": "Script for /bin/sh -euc; values come from env or as {{ x | q }}.",
    "examples": ["./score.sh \"$SHARD\""]}},
  "required": ["run"]})",
          {"run"}};
}

OperatorEntry Noop() {
  return {"noop",
          TaskKind::kNoop,
          "Succeeds by itself; joins or fans out edges.",
          R"(Does nothing and succeeds as soon as its trigger rule holds. It costs no process and no
slot.)",
          R"({"properties": {}, "required": []})",
          {}};
}

OperatorEntry Branch() {
  return {"branch",
          TaskKind::kBranch,
          "Chooses which of its direct children run.",
          R"(`cases` are tried in order; the children of the first one whose `if` is true run, else
those of `else`. A direct child that was not chosen is skipped whatever its trigger rule, unless a
chosen child leads to it.)",
          R"({"properties": {
  "cases": {"type": "array", "minItems": 1,
    "description": "Tried in order; the first true one wins.",
    "items": {"type": "object", "additionalProperties": false, "required": ["if", "then"],
      "properties": {
        "if": {"type": "string", "description": "A template; Jinja's truth value decides.",
          "examples": ["{{ data_interval_start.weekday() == 0 }}"]},
        "then": {"type": "array", "items": {"type": "string"},
          "description": "Ids of direct children to run."}}}},
  "else": {"type": "array", "items": {"type": "string"}, "default": [],
    "description": "Ids of direct children to run if no case is true."}},
  "required": ["cases"]})",
          {}};
}

OperatorEntry ShortCircuit() {
  return {"short_circuit",
          TaskKind::kShortCircuit,
          "Skips what follows if its condition is false.",
          R"(If `condition` is false, all descendants are skipped whatever their trigger rules; with
`ignore_downstream_trigger_rules: false` only the direct children, the rest by rule.)",
          R"({"properties": {
  "condition": {"type": "string", "minLength": 1,
    "description": "A template; false skips what follows.",
    "examples": ["{{ params.promote }}"]},
  "ignore_downstream_trigger_rules": {"type": "boolean", "default": true,
    "description": "true: all descendants are skipped; false: children only, others by rule."}},
  "required": ["condition"]})",
          {}};
}

OperatorEntry FileSensor() {
  return {
      "sensor.file",
      TaskKind::kSensor,
      "Waits for a file, without holding a slot.",
      R"(Waits until a file that matches `path` exists with at least `min_bytes` bytes and has not
changed for `settle`. Relative paths start at `data_root`. While it waits the task is `deferred`: no
process, no worker place, no pool slot. See `poke_interval`, `sensor_timeout` and `soft_fail`.)",
      R"({"properties": {
  "path": {"type": "string", "minLength": 1,
    "description": "File to wait for, * ? [ ] as in a shell; relative ones start at data_root.",
    "examples": ["events/{{ data_date }}.csv.gz"]},
  "min_bytes": {"type": "integer", "minimum": 0, "default": 1,
    "description": "A smaller file does not count."},
  "settle": {"type": ["string", "number"], "default": "0s",
    "description": "The file must not have changed for this long.", "examples": ["30s"]}},
  "required": ["path"]})",
      {}};
}

}  // namespace

void AddBuiltinTypes(OperatorCatalog& catalog) {
  catalog.Add(Exec());
  catalog.Add(Shell());
  catalog.Add(Noop());
  catalog.Add(Branch());
  catalog.Add(ShortCircuit());
  catalog.Add(FileSensor());
}

}  // namespace nightmill
