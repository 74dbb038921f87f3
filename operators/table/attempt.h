// One attempt of an operator with one output (compute.md 1.1): resolve, compare, stage, publish,
// report. The operator fills the part between `unchanged` and `Publish`. Nothing is visible before
// Publish; staging is removed by the destructor, and whatever a killed attempt leaves there is
// never read. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "operators/clock.h"
#include "operators/columnar/budget.h"
#include "operators/columnar/table_writer.h"
#include "operators/common_spec.h"
#include "operators/op_result.h"
#include "operators/operator.h"
#include "operators/table/input_files.h"
#include "operators/table/manifest.h"
#include "operators/table/staging.h"

namespace nightmill {

struct AttemptOptions {
  int semantics_version = 1;  // of the operator: part of the fingerprint
  // Passed to ResolveInputs.
  std::function<bool(const PartitionKey&)> keep = {};
  // More that shapes the output and is no part of the spec: zone offsets used, a pinned schema.
  std::string extra_fingerprint = {};
};

// What an operator hands to Publish beside the data.
struct AttemptOutcome {
  WrittenTable data;
  std::string checks = {};  // JSON text of the check results; "" if none
  std::string extra = {};   // JSON object text merged into the report: operator-specific fields
  std::vector<std::string> warnings = {};
};

class Attempt {
 public:
  // Steps 2 and 3. The spec must have `in` and `out`.
  static OpResult<std::unique_ptr<Attempt>> Begin(const OperatorContext& context,
                                                  const CommonSpec& spec, AttemptOptions options);
  ~Attempt();
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  // The report of the published result if the fingerprint is the published one.
  std::optional<std::string> unchanged() const;

  const OperatorContext& context() const { return context_; }
  const FileSystem& fs() const { return fs_; }
  const InputList& inputs() const { return inputs_; }
  const std::string& fingerprint() const { return fingerprint_; }
  // The table's current version when the attempt began (version 0: none).
  const TableVersion& base() const { return base_; }
  const std::string& table() const { return table_; }
  // Exists; files written here become visible only by Publish.
  const std::string& staging() const { return staging_->path(); }
  MemoryBudget& budget() { return budget_; }
  int threads() const { return threads_; }
  // kCancelled once the supervisor asked to stop.
  OpStatus CheckCancelled() const;
  // Starts a phase of phase_seconds in the report; ends the one before.
  void BeginPhase(std::string_view name);

  // kBadSpec for data with a column that is a partition column of the output too.
  OpStatus CheckColumns(const Schema& schema) const;
  // Opens a writer into staging with the options of `out` and this attempt's threads. Checks the
  // columns.
  OpResult<std::unique_ptr<TableWriter>> OpenWriter(const Schema& schema);

  // Tests the inputs again, publishes the data as the output partition and returns the report.
  OpResult<std::string> Publish(AttemptOutcome outcome);

 private:
  Attempt(const OperatorContext& context, const CommonSpec& spec);

  const OperatorContext& context_;
  const FileSystem& fs_;
  CommonSpec spec_;
  MemoryBudget budget_;
  int threads_;
  InputList inputs_;
  std::string table_;
  std::string key_;  // output partition path
  TableVersion base_;
  std::string fingerprint_;
  std::string run_key_;
  std::unique_ptr<StagingArea> staging_;  // null if unchanged
  std::vector<std::pair<std::string, double>> phases_;
  PhaseTimer phase_timer_;
};

// Runs an operator from step 2 on: to resolve its inputs and output anew, compute and publish. A
// round that ends in kConflict, because an input changed under it or another writer published the
// same partition, is followed by another on what is there now, five rounds in all. Rounds of
// writers who race cannot all fail, since a publish is lost only to another one that was made.
OpResult<std::string> RunRounds(const OperatorContext& context,
                                const std::function<OpResult<std::string>()>& round);

// threads and memory of a run: the smaller of the spec's and the host's, at least 1 thread.
int EffectiveThreads(const CommonSpec& spec, const OperatorContext& context);
std::int64_t EffectiveMemory(const CommonSpec& spec, const OperatorContext& context);

// The report of compute.md 1.1 step 8, with what is longer than the limit left out (profile first).
struct ReportParts {
  std::string outcome;  // "published", "unchanged", "checked"
  std::string table;
  std::int64_t version = 0;
  std::map<std::string, PartitionEntry> partitions = {};
  Schema schema = {};
  std::vector<ColumnStats> columns = {};
  std::string checks = {};
  std::string extra = {};
  std::vector<std::string> warnings = {};
  std::vector<std::pair<std::string, double>> phases = {};
};
std::string BuildReport(const ReportParts& parts);

}  // namespace nightmill
