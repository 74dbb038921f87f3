// The pages of `nightmill explain CODE`: what each code means and what to do.
#include <fmt/format.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "core/dagfile/dag_json.h"

namespace nightmill {
namespace {

struct CodePage {
  std::string_view code;
  std::string_view title;
  std::string_view text;
};

constexpr std::array kPages{
    CodePage{"NM101", "not UTF-8",
             "A byte of the file is not valid UTF-8. Save the file as UTF-8."},
    CodePage{
        "NM102", "syntax error",
        "The text is not JSON. Comments (// and /* */) are allowed in DAG files, trailing commas,\n"
        "single quotes and unquoted keys are not. Nothing after the place is looked at."},
    CodePage{"NM103", "nested too deep", "Objects and lists may be nested 64 levels deep."},
    CodePage{"NM104", "file too large", "A DAG file may have 16 MiB."},
    CodePage{"NM105", "string too long", "A string may have 1 MiB. Put a long script into a file."},
    CodePage{
        "NM106", "duplicate key",
        "An object has the same key twice. Most JSON tools keep the last one in silence; here it\n"
        "is an error, since one of the two is not what its writer meant. Remove one."},
    CodePage{"NM107", "trailing comma", "A comma stands before a closing bracket. Remove it."},
    CodePage{"NM108", "NUL character", "NUL characters are not allowed, not even as \\u0000."},
    CodePage{"NM109", "number out of range", "The number does not fit a 64-bit float."},
    CodePage{
        "NM201", "unknown key",
        "The object has no such field. Fields of your own begin with \"x-\" and are allowed at "
        "the\n"
        "top of the file and in tasks. `nightmill operator show TYPE` lists the fields of a type."},
    CodePage{"NM202", "missing key", "A required field is not there."},
    CodePage{"NM203", "wrong type", "The value has another JSON type than the field takes."},
    CodePage{"NM204", "not one of the allowed values", "The field takes one of a list of words."},
    CodePage{"NM205", "out of range", "A number, a length or a count is outside what is allowed."},
    CodePage{"NM206", "malformed text",
             "The text does not have the form that the field takes. Ids have 1 to 200 of the "
             "characters\n"
             "A-Z a-z 0-9 _ . - , begin with a letter, a digit or _, and have no \"..\"."},
    CodePage{"NM207", "unknown task type",
             "No operator has this name. `nightmill operator list` shows all of them."},
    CodePage{"NM208", "the value does not fit",
             "The value breaks a rule of the field's JSON Schema."},
    CodePage{"NM209", "field of another type",
             "The field exists, but not for tasks of this type (`env` is for processes, "
             "`poke_interval`\n"
             "for sensors, `threads` for native operators)."},
    CodePage{"NM210", "not supported yet",
             "The field, or the name in a template (`var`, `secret()`, `run.outcome`), is part of\n"
             "the DAG format, but this release does not carry it out. It is\n"
             "refused rather than ignored, so that no DAG runs otherwise than it reads."},
    CodePage{"NM211", "newer format",
             "The file says `format` N with N above what this release reads. Upgrade nightmill."},
    CodePage{"NM301", "duplicate task id", "Two tasks of the DAG have the same id."},
    CodePage{"NM302", "unknown task", "A task is named that the DAG does not have."},
    CodePage{
        "NM303", "cycle",
        "Tasks wait for each other in a circle, printed as a path: in a -> b -> a, b depends on a\n"
        "and a on b. Using `outputs.x` makes x an upstream task too."},
    CodePage{
        "NM304", "branch target is not a direct child",
        "A branch chooses among tasks that depend on it directly. Add the branch to the target's\n"
        "`depends_on`."},
    CodePage{
        "NM305", "rule always with mapped output",
        "A task with trigger_rule `always` starts at once, but its `map.over` needs the output of\n"
        "another task. Use `all_done`."},
    CodePage{"NM306", "bad cron expression",
             "Five fields: minute hour day-of-month month day-of-week. Names, lists, ranges, "
             "steps, L, W\n"
             "and # are known; for seconds use `every`, for spread use `jitter`."},
    CodePage{
        "NM307", "cron never fires",
        "No year has a date that matches, e.g. `0 0 30 2 *`: decided exactly, over all 14\n"
        "kinds of years. Or `exclude` drops every tick, or none lies between start_date and\n"
        "end_date: that search ends at the year 2200, or after 100,000 excluded ticks in a row."},
    CodePage{"NM308", "unknown time zone", "Zones are IANA names: UTC, Europe/Madrid."},
    CodePage{
        "NM309", "bad schedule",
        "A schedule has one of `cron`, `every`, `at`, or a preset such as @daily. start_date and\n"
        "end_date are instants (2026-03-16T06:00:00Z) or dates (2026-03-16)."},
    CodePage{
        "NM310", "bad template",
        "Templates are the Jinja subset {{ expression }}; undefined names, unknown filters and\n"
        "{% %} are errors. See the list of names in the user guide."},
    CodePage{
        "NM311", "raw template in a shell script",
        "A value put raw into a script could become part of the program. Pass it by `env` and "
        "write\n"
        "\"$NAME\", use the NIGHTMILL_ variable that already has it, or quote it: {{ x | q }}."},
    CodePage{"NM312", "outputs of an unknown task",
             "`outputs.x` names a task that the DAG does not have, or the task itself."},
    CodePage{
        "NM313", "map too large",
        "The lists of `map.over` give more items than `max_items`, or lists to zip have different\n"
        "lengths."},
    CodePage{"NM314", "above a limit",
             "The message names the limit; it cannot be raised in a DAG."},
    CodePage{"NM315", "unknown pool",
             "The server has no such pool (`nightmill pool list`), a task takes more slots than it "
             "has, or\n"
             "names a pool twice. Offline, where the pools are not known, a warning."},
    CodePage{
        "NM316", "bad duration",
        "Durations are \"90s\", \"1h30m\", \"250ms\", \"2d\", ISO 8601 (\"PT1H30M\") or seconds."},
    CodePage{"NM317", "bad size",
             "Sizes are bytes, or a number with kB, MB, GB (powers of 1000) or KiB, MiB, GiB."},
    CodePage{"NM318", "bad retry item",
             "Items are failed, timed_out, infrastructure, exit:75, exit:100-110, signal:9, oom, "
             "launch,\n"
             "check or an error code of an operator."},
    CodePage{
        "NM319", "ds is not the date of the data",
        "`ds` is the UTC date of the logical date. Where the schedule's zone is not UTC it can be\n"
        "another day, and for a manual run it is the day of the click. Use `data_date`."},
    CodePage{"NM320", "old name",
             "The template uses an old name of Airflow; the hint gives the new one."},
    CodePage{"NM321", "unknown task template", "`template` names an entry of `task_templates`."},
    CodePage{"NM322", "bad params",
             "`params` maps a name to a JSON Schema (draft-07); `default` must fit it, and "
             "templates may\n"
             "only use params that are declared. With a schedule each needs a default: a scheduled "
             "run\n"
             "brings no values."},
    CodePage{"NM323", "fields exclude each other",
             "`pool` and `pool_slots` are the short form of `pools`."},
    CodePage{"NM324", "fail_fast with another rule",
             "`fail_fast` stops a run at the first failure, so every task must have trigger_rule\n"
             "all_success."},
    CodePage{"NM325", "map.item without map",
             "Only a task with `map` has `map.item` and `map.index`."},
    CodePage{
        "NM326", "join that can never run",
        "The task needs success of children of a branch that are never chosen together, so it is\n"
        "always skipped. Use trigger_rule none_failed_min_one_success."},
    CodePage{
        "NM327", "bad expression",
        "Expressions (`where`, `filter`, `expr`) have literals, columns, + - * / %, comparisons, "
        "and,\n"
        "or, not, in, between, is null, and if coalesce cast date date_diff div abs least greatest "
        "lower.\n"
        "The message counts columns from the beginning of the expression."},
    CodePage{"NM328", "does not go together",
             "The operator does not take this field beside the others, or not at all. "
             "`nightmill operator\n"
             "show TYPE` has its page."},
    CodePage{
        "NM329", "column named twice",
        "Keys, features and derived columns are all columns of one table; so are the entries of "
        "a\n"
        "`schema`. Each name may be used once, and not for a column of `out.partition`, whose "
        "value\n"
        "readers take from the path."},
    CodePage{"NM330", "unknown column type",
             "Types are bool, int32, int64, float32, float64, decimal(p,s), string, binary, date, "
             "timestamp\n"
             "(UTC, microseconds) and timestamp(local)."},
    CodePage{
        "NM331", "no such column",
        "A derived column or a check on the result names a column that the result does not have:\n"
        "keys, features and the derived columns above it. Columns of the input are not known "
        "before\n"
        "the run."},
    CodePage{"NM332", "name says another window",
             "A feature whose name ends in _30d stands beside a window of another number of days. "
             "Both\n"
             "ends of a window count: 31 days are D-30 to D."},
    CodePage{"NM333", "bad SLA",
             "An entry of `sla` has a name of its own and one of `deadline` (\"08:00\", \":45\", "
             "\"MON 06:00\" or\n"
             "a cron, with `timezone`), `within` + `from`, `duration` and, for a DAG, "
             "`stale_after`."},
    CodePage{"NM334", "unknown notifier",
             "The server has no notifier of this name, so nobody is told. Notifiers are part of "
             "its\n"
             "configuration."},
};

}  // namespace

std::optional<std::string> ExplainCode(std::string_view code) {
  for (const CodePage& page : kPages) {
    if (page.code == code) return fmt::format("{}: {}\n\n{}\n", page.code, page.title, page.text);
  }
  return std::nullopt;
}

}  // namespace nightmill
