// What the shell does after it committed a Step's changes. Every command can be derived again from
// committed state, so that a crash between commit and send loses nothing: StartAttempt, KillAttempt
// and Poke are repeated or replaced when a worker says hello; a lost Reply is the client's retry.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "core/base/result.h"
#include "core/model/change.h"
#include "core/model/task_attempt.h"

namespace nightmill {

// One row of a backfill's preview; creation uses the very same function.
struct BackfillPreviewRow {
  Instant logical_date;
  DataInterval interval;
  std::string verdict;  // create, rerun, skip
  std::string reason;   // for skip: already_success, already_failed, in_flight, claimed, not_ended
  std::string existing_run_id;
};
struct BackfillReply {
  BackfillRow backfill;  // id 0 for a dry run
  std::vector<BackfillPreviewRow> rows;
};
struct DagReply {
  DagRow dag;
  bool created = false;
  bool changed = false;  // a new version was stored
};

struct AlertReply {
  AlertRow alert;
  std::vector<DeliveryRow> deliveries;
};

// What a clear touches: the runs as they are now, and the task instances as they were before.
struct ClearReply {
  std::vector<DagRunRow> runs;
  std::vector<TaskInstanceRow> tasks;
};

namespace command {

struct StartAttempt {
  std::string worker;
  AttemptSpec spec;
};
struct KillAttempt {
  std::string worker;
  AttemptId attempt;
  std::string reason;
};
// A short check of a sensor, made by the worker, answered by PokeFinished.
struct Poke {
  std::string worker;
  std::int64_t poke = 0;
  std::string type;  // "sensor.file"
  std::string spec;  // rendered params, JSON
  std::string data_root;
  Duration timeout{0};
};
// Read a finished run from the store and answer with RunLoaded.
struct LoadRun {
  RunKey run;
};
using ReplyBody = std::variant<std::monostate, DagReply, DagRunRow, BackfillReply, PoolRow,
                               AlertReply, ClearReply>;
struct Reply {
  RequestId request;
  Result<ReplyBody> body;
};

}  // namespace command

using Command = std::variant<command::StartAttempt, command::KillAttempt, command::Poke,
                             command::LoadRun, command::Reply>;

}  // namespace nightmill
