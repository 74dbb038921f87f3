// What the tests of the store share: a folder of their own, an open store, rows with every field
// set.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/model/change.h"
#include "store/queries.h"
#include "store/rows.h"
#include "store/store.h"
#include "tests/unit/store/same_rows.h"

namespace nightmill {

class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "nm_store_XXXXXX").string();
    CHECK(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder() { std::filesystem::remove_all(path_); }
  std::string File(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

#define ASSERT_OK(expression)                                 \
  do {                                                        \
    const auto& nm_result = (expression);                     \
    ASSERT_TRUE(nm_result.ok()) << nm_result.error().message; \
  } while (false)

// Fails the test instead of the process, so that the message is seen.
template <class T>
T ValueOf(Result<T> result) {
  if (!result.ok()) {
    ADD_FAILURE() << result.error().message;
    return T{};
  }
  return std::move(result).value();
}

inline Store OpenStore(const std::string& path, Durability durability = Durability::kProcess) {
  Result<Store> store = Store::Open(path, {durability});
  CHECK_MSG(store.ok(), store.ok() ? "" : store.error().message);
  return std::move(store).value();
}

inline Queries OpenQueries(const std::string& path) {
  Result<Queries> queries = Queries::Open(path, [] { return Duration{0}; });
  CHECK_MSG(queries.ok(), queries.ok() ? "" : queries.error().message);
  return std::move(queries).value();
}

inline Instant At(std::int64_t micros) { return InstantFromMicros(micros); }

inline DagRow FullDag(const std::string& id) {
  return {id, 3, true, false, At(11), At(12), At(13), "/dags/" + id + ".json", "r1"};
}

inline DagVersionRow FullVersion(const std::string& id, int version) {
  return {id, version, std::string(64, 'a'), "{\"dag_id\": \"" + id + "\"}", At(21)};
}

// No two fields of one type hold the same value.
inline DagRunRow FullRun(std::int64_t run, const std::string& dag_id, RunState state) {
  return {RunKey(run),
          dag_id,
          "manual__" + std::to_string(run),
          RunType::kAssetTriggered,
          Lane::kBackfill,
          state,
          RunReason::kRunTimeout,
          true,
          At(1'000'000 * run),
          DataInterval{At(101), At(102)},
          At(103),
          At(104),
          At(105),
          At(-106),
          7,
          R"({"a": "ü"})",
          std::string("note\0with nul", 13),
          "rest_api",
          BackfillId(9),
          10,
          11};
}

inline TaskInstanceRow FullTask(std::int64_t run, const std::string& task_id, int map_index,
                                TaskState state) {
  return {RunKey(run), task_id,
          map_index,   state,
          1,           2,
          3,           4,
          5,           AttemptId(6),
          "when",      "{\"kind\": \"exit\"}",
          "[1]",       "{\"x\": 2}",
          "out/1",     "[\"b\"]",
          At(201),     At(202),
          At(203),     At(204),
          At(205),     At(206),
          At(207),     8};
}

inline TaskAttemptRow FullAttempt(std::int64_t attempt, std::int64_t run, AttemptState state) {
  return {AttemptId(attempt),
          RunKey(run),
          2,
          state,
          Epoch(4),
          "local-1",
          0xFEDC'BA98'7654'3210,
          "failed",
          "{\"kind\": \"oom\"}",
          "cancel",
          "{\"argv\": []}",
          "{\"rows\": 1}",
          "logs/a/1.log",
          At(301),
          At(302),
          At(303),
          {1.5, 1 << 30, 77, 88},
          2};
}

inline BackfillRow FullBackfill(std::int64_t id, const std::string& dag_id, BackfillState state) {
  return {BackfillId(id), dag_id,       state,   At(401), At(402), ReprocessBehavior::kCompleted, 5,
          true,           "{\"p\": 1}", At(403), At(404), "failed"};
}

inline BackfillSlotRow FullBackfillSlot(std::int64_t id, int seq) {
  return {BackfillId(id), seq,       At(501), {At(502), At(503)}, "rerun", "why",
          "done",         RunKey(6), "failed"};
}

inline EventRow FullEvent(std::int64_t id) {
  return {EventId(id), At(600 + id), "task.state", "d", RunKey(3), "t",
          4,           AttemptId(5), "{\"to\":1}"};
}

inline AlertRow FullAlert(std::int64_t id, const std::string& dag_id) {
  return {AlertId(id), At(700 + id), AlertType::kSlaMissed, Severity::kCritical,
          dag_id,      RunKey(3),    "t",                   4,
          "sla:d:x:1", "{\"a\":1}"};
}

inline DeliveryRow FullDelivery(std::int64_t alert, const std::string& notifier,
                                DeliveryState state) {
  return {AlertId(alert), notifier, state, 3, At(801), At(802), At(803), 503, "no luck"};
}

inline SlaRow FullSla(const std::string& name, std::int64_t slot, SlaState state) {
  return {"d",     name,    At(slot), "t",     5,       RunKey(3), state, Severity::kWarning,
          At(901), At(902), At(903),  At(904), At(905), At(906),   "time"};
}

// Of the row FullSla(name, slot, ...).
inline SlaMissRow FullMiss(std::int64_t id, const std::string& name, std::int64_t slot) {
  return {EventId(id), "d", name, At(slot), 5, "within", At(907), "{\"task_list\":[\"t\"]}"};
}

}  // namespace nightmill
