#include "scheduler/engine/record.h"

#include <fmt/format.h>

#include <algorithm>

#include "scheduler/engine/slas.h"

namespace nightmill {

void Touch(EngineState& state, LiveRun& run) {
  if (run.dirty) return;
  run.dirty = true;
  state.dirty_runs.push_back(run.row.run);
}

void Touch(EngineState& state, LiveRun& run, int task, int position) {
  Instance& instance =
      run.nodes[static_cast<std::size_t>(task)].instances[static_cast<std::size_t>(position)];
  if (instance.dirty) return;
  instance.dirty = true;
  state.dirty_instances.push_back({run.row.run, task, position});
}

void Touch(EngineState& state, OpenAttempt& attempt) {
  if (attempt.dirty) return;
  attempt.dirty = true;
  state.dirty_attempts.push_back(attempt.row.attempt);
}

void Touch(EngineState& state, LiveDag& dag) {
  if (dag.dirty) return;
  dag.dirty = true;
  state.dirty_dags.push_back(dag.row.dag_id);
}

void Touch(EngineState& state, LiveBackfill& backfill) {
  if (backfill.dirty) return;
  backfill.dirty = true;
  state.dirty_backfills.push_back(backfill.row.backfill);
}

void Record(EngineState& state, EventRow event) {
  state.last_event.value += 1;
  event.id = state.last_event;
  event.at = state.now;
  state.step->changes.emplace_back(std::move(event));
}

void RecordRun(EngineState& state, const LiveRun& run, std::string_view kind, std::string data) {
  EventRow event;
  event.kind = kind;
  event.dag_id = run.row.dag_id;
  event.run = run.row.run;
  event.data = std::move(data);
  Record(state, std::move(event));
}

void RecordPast(EngineState& state, const LiveRun& run, const std::pair<std::string, int>& instance,
                TaskState now_in) {
  TaskInstanceRow row;
  row.run = run.row.run;
  row.task_id = instance.first;
  row.map_index = instance.second;
  row.state = now_in;
  row.try_number = run.past_tries.at(instance);
  row.max_tries = row.try_number;
  if (now_in == TaskState::kSkipped) {
    row.skip_reason = "cancelled";
    row.ended_at = state.now;
  }
  state.step->changes.emplace_back(std::move(row));
}

bool IsOutdated(const EngineState& state, RunKey run) {
  const auto is_it = [run](const Change& change) {
    const auto* row = std::get_if<DagRunRow>(&change);
    return row != nullptr && row->run == run;
  };
  const auto& ended = state.finished_runs;
  const auto& changes = state.step->changes;
  return std::find(ended.begin(), ended.end(), run) != ended.end() ||
         std::any_of(changes.begin(), changes.end(), is_it);
}

Error ChangedMeanwhile(const DagRunRow& run) {
  return Conflict(fmt::format("run {} of {} was changed in the meantime", run.run_id, run.dag_id),
                  "try again");
}

void FlushChanges(EngineState& state) {
  std::vector<Change>& changes = state.step->changes;
  for (const std::string& dag_id : state.dirty_dags) {
    LiveDag& dag = state.dags.find(dag_id)->second;
    dag.dirty = false;
    changes.emplace_back(dag.row);
  }
  for (const RunKey key : state.dirty_runs) {
    LiveRun& run = *state.runs.at(key);
    run.dirty = false;
    changes.emplace_back(run.row);
  }
  for (const InstanceRef& ref : state.dirty_instances) {
    TaskNode& node = state.runs.at(ref.run)->nodes[static_cast<std::size_t>(ref.task)];
    // An expansion may have replaced the touched instance by fewer; the new ones are touched too.
    if (static_cast<std::size_t>(ref.position) >= node.instances.size()) continue;
    Instance& instance = node.instances[static_cast<std::size_t>(ref.position)];
    if (!instance.dirty) continue;
    instance.dirty = false;
    changes.emplace_back(instance.row);
  }
  for (const AttemptId id : state.dirty_attempts) {
    const auto it = state.attempts.find(id);
    it->second.dirty = false;
    changes.emplace_back(it->second.row);
    if (it->second.row.state == AttemptState::kEnded) state.attempts.erase(it);
  }
  for (const BackfillId id : state.dirty_backfills) {
    const auto it = state.backfills.find(id);
    it->second.dirty = false;
    changes.emplace_back(it->second.row);
    const BackfillState now_in = it->second.row.state;
    if (now_in == BackfillState::kCompleted || now_in == BackfillState::kCancelled) {
      if (it->second.open.empty()) state.backfills.erase(it);
    }
  }
  FlushSlas(state);
  state.dirty_dags.clear();
  state.dirty_runs.clear();
  state.dirty_instances.clear();
  state.dirty_attempts.clear();
  state.dirty_backfills.clear();
}

void Answer(EngineState& state, RequestId request, Result<command::ReplyBody> body) {
  if (!request.valid()) return;
  state.step->commands.emplace_back(command::Reply{request, std::move(body)});
}

std::string Quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  out += '"';
  return out;
}

}  // namespace nightmill
