// `aggregate` (compute.md 2): one row of features per key over a window of days, in one pass over
// the input. Phases: A rows to records (aggregate_scan), B records to groups, C groups to rows.
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "core/base/json.h"
#include "core/base/time.h"
#include "operators/aggregate_emit.h"
#include "operators/aggregate_plan.h"
#include "operators/aggregate_scan.h"
#include "operators/aggregate_spec.h"
#include "operators/input_table.h"
#include "operators/parallel.h"
#include "operators/registry.h"
#include "operators/table/attempt.h"

namespace nightmill {
namespace {

using Json = nlohmann::json;

constexpr int kSemantics = 1;
constexpr std::int64_t kDirectRows = 200'000;  // below this one partition will do
constexpr std::int64_t kRowsPerPartition = 50'000;
constexpr int kMaxPartitionBits = 9;
constexpr std::int64_t kBlockSlack = 32 << 10;  // half-filled record blocks, per chain
constexpr std::int64_t kTooManyRows = std::int64_t{1} << 32;

int PartitionBits(std::int64_t rows) {
  if (rows < kDirectRows) return 0;
  const auto partitions = static_cast<std::uint64_t>(rows / kRowsPerPartition);
  return std::clamp(static_cast<int>(std::bit_width(partitions)) - 1, 0, kMaxPartitionBits);
}

// The part of the zone that results depend on.
std::string ZoneFingerprint(const AggregateSpec& spec) {
  if (spec.zone == "UTC") return {};
  const auto zone = TimeZone::Find(spec.zone);
  if (!zone.ok()) return {};
  std::int32_t first = 0, last = 25'567;  // 1970 to 2039
  if (spec.window_days > 0) first = spec.first_day() - 1, last = spec.last_day() + 2;
  return expr::LocalTimeMap(*zone, first, last).Describe();
}

class AggregateRun {
 public:
  AggregateRun(AggregateSpec spec, const OperatorContext& context)
      : spec_(std::move(spec)), context_(context) {}

  OpResult<std::string> Run() {
    AttemptOptions options;
    options.semantics_version = kSemantics;
    options.extra_fingerprint = ZoneFingerprint(spec_);
    if (spec_.window_days > 0) {
      options.keep = [this](const PartitionKey& key) { return InWindow(key); };
    }
    NM_ASSIGN_OR_RETURN(attempt_, Attempt::Begin(context_, spec_.common, std::move(options)));
    if (auto report = attempt_->unchanged()) return std::move(*report);
    OpStatus done = Compute();
    if (done.ok()) return Publish();
    if (done.error().code != OperatorErrorCode::kOomBudget) return done.error();
    return WithSmallestBudget(done.error());
  }

 private:
  // Whole partitions outside of the window are never listed as input.
  bool InWindow(const PartitionKey& key) const {
    for (const auto& [name, value] : key) {
      if (name != spec_.window_by) continue;
      const auto day = ParseDate(value);
      return day.ok() && *day >= spec_.first_day() && *day <= spec_.last_day();
    }
    return true;
  }

  OpStatus Compute() {
    attempt_->BeginPhase("plan");
    NM_RETURN_IF_ERROR(Plan());
    NM_RETURN_IF_ERROR(Scan());
    NM_RETURN_IF_ERROR(FinishInputChecks());
    attempt_->BeginPhase("aggregate");
    return Emit();
  }

  OpStatus Plan() {
    if (attempt_->inputs().files.empty()) {
      return BadInput("no input partition lies in the window", "no_files");
    }
    NM_ASSIGN_OR_RETURN(table_, InputTable::Open(attempt_->fs(), attempt_->inputs(),
                                                 attempt_->budget(), attempt_->threads()));
    if (table_.rows() >= kTooManyRows) {
      return BadSpec("more than 2^32 rows in one window", "unsupported", "split the input");
    }
    const std::vector<std::string> names = InputColumns(spec_);
    NM_ASSIGN_OR_RETURN(bound_, table_.Bind(names, spec_.window_by));
    NM_ASSIGN_OR_RETURN(plan_, BindAggregate(spec_, bound_.columns));
    units_ = UnitsOf(table_);
    std::erase_if(units_, [this](const TableUnit& unit) { return OutsideWindow(unit); });
    for (const TableUnit& unit : units_) rows_ += unit.rows;
    std::vector<SlotSample> samples(plan_.slots.size());
    if (!units_.empty()) {
      NM_ASSIGN_OR_RETURN(samples, AggregateScan(plan_, attempt_->budget()).Sample(UnitAt(0)));
    }
    FitToSample(samples, spec_.window_days > 0, plan_);
    return OpOk();
  }

  // By the footer's word, which only prunes.
  bool OutsideWindow(const TableUnit& unit) const {
    if (plan_.window_input < 0) return false;
    const auto input = static_cast<std::size_t>(plan_.window_input);
    const int column = bound_.in_file[unit.file][input];
    if (column < 0) return true;  // all null
    const auto stats = table_.sources()[unit.file]->Statistics(unit.row_group, column);
    if (!stats) return false;
    const auto* min = std::get_if<std::int64_t>(&stats->min);
    const auto* max = std::get_if<std::int64_t>(&stats->max);
    return min != nullptr && max != nullptr &&
           (*max < plan_.window_from || *min >= plan_.window_to);
  }

  ScanUnit UnitAt(std::size_t i) const {
    const TableUnit& unit = units_[i];
    return {table_.sources()[unit.file].get(), unit.row_group, bound_.in_file[unit.file],
            &table_.list().files[unit.file].partition, static_cast<std::int64_t>(i)};
  }

  // Bytes of records that may wait before they are folded. If all fit they are folded partition by
  // partition at the end, which needs no lasting group tables.
  std::int64_t RecordLimit() const {
    const std::int64_t chains = attempt_->threads() * (std::int64_t{1} << bits_);
    const std::int64_t all = rows_ * plan_.program.most_bytes() + chains * kBlockSlack;
    const std::int64_t limit = attempt_->budget().limit();
    return all <= limit / 10 * 8 ? limit : limit / 10 * 3;
  }

  OpStatus Scan() {
    attempt_->BeginPhase("scan");
    bits_ = PartitionBits(rows_);
    partitions_ = std::size_t{1} << bits_;
    const auto threads = static_cast<std::size_t>(attempt_->threads());
    for (std::size_t t = 0; t < threads; ++t) {
      scans_.push_back(std::make_unique<AggregateScan>(plan_, attempt_->budget()));
      writers_.push_back(std::make_unique<RecordWriter>(plan_.program, bits_, attempt_->budget()));
      input_checks_.emplace_back(plan_.input_checks, attempt_->budget());
    }
    context_.progress->units_total += static_cast<std::int64_t>(units_.size());
    const std::int64_t limit = RecordLimit();
    std::size_t next = 0;
    while (next < units_.size()) {
      std::atomic<std::size_t> at{next};
      NM_RETURN_IF_ERROR(ParallelFor(threads, attempt_->threads(), [&](std::size_t t, int) {
        return ScanUntil(t, limit / static_cast<std::int64_t>(threads), at);
      }));
      next = std::min(at.load(), units_.size());
      if (next < units_.size()) NM_RETURN_IF_ERROR(FoldAll());
    }
    return OpOk();
  }

  // Takes units until there are no more or this thread's records reach `limit` bytes.
  OpStatus ScanUntil(std::size_t thread, std::int64_t limit, std::atomic<std::size_t>& next) {
    while (writers_[thread]->bytes() < limit) {
      const std::size_t i = next.fetch_add(1);
      if (i >= units_.size()) return OpOk();
      NM_RETURN_IF_ERROR(scans_[thread]->Scan(UnitAt(i), *writers_[thread], input_checks_[thread],
                                              *context_.cancelled));
      const TableUnit& unit = units_[i];
      context_.progress->units_done += 1;
      context_.progress->rows_in += unit.rows;
      context_.progress->bytes_read += table_.sources()[unit.file]->row_group_bytes(
          unit.row_group, FileColumns(bound_.in_file[unit.file]));
    }
    return OpOk();
  }
  static std::vector<int> FileColumns(const std::vector<int>& places) {
    std::vector<int> columns;
    for (const int place : places) {
      if (place >= 0) columns.push_back(place);
    }
    return columns;
  }

  // Adds the waiting records to lasting group tables and drops them.
  OpStatus FoldAll() {
    if (states_.empty()) {
      for (std::size_t p = 0; p < partitions_; ++p) {
        states_.emplace_back(plan_.program, attempt_->budget());
      }
    }
    NM_RETURN_IF_ERROR(ParallelFor(partitions_, attempt_->threads(),
                                   [&](std::size_t p, int) { return FoldInto(states_[p], p); }));
    for (const auto& writer : writers_) writer->Clear();
    ++folds_;
    return OpOk();
  }
  OpStatus FoldInto(PartitionState& state, std::size_t partition) {
    NM_RETURN_IF_ERROR(attempt_->CheckCancelled());
    for (const auto& writer : writers_) NM_RETURN_IF_ERROR(state.Fold(*writer, partition));
    return OpOk();
  }

  OpStatus FinishInputChecks() {
    for (std::size_t t = 1; t < input_checks_.size(); ++t) {
      NM_RETURN_IF_ERROR(input_checks_[0].Merge(std::move(input_checks_[t])));
    }
    input_report_ = input_checks_[0].Finish();
    if (input_report_.stop)
      return CheckError(input_report_, "input check failed", attempt_->inputs().path);
    return OpOk();
  }

  OpStatus Emit() {
    WriteOptions write = spec_.common.out->write;
    write.threads = attempt_->threads();
    NM_ASSIGN_OR_RETURN(const auto writer, attempt_->OpenWriter(plan_.schema));
    std::vector<CheckState> checks;
    for (int t = 0; t < attempt_->threads(); ++t) {
      checks.emplace_back(plan_.output_checks, attempt_->budget());
    }
    OutputPipeline pipeline(plan_, write, *writer, attempt_->budget());
    NM_RETURN_IF_ERROR(
        pipeline.Run(partitions_, checks, [&](std::size_t p) { return Produce(p); }));
    groups_ = pipeline.rows();
    NM_ASSIGN_OR_RETURN(data_, writer->Finish());
    for (std::size_t t = 1; t < checks.size(); ++t) {
      NM_RETURN_IF_ERROR(checks[0].Merge(std::move(checks[t])));
    }
    output_report_ = checks[0].Finish();
    if (output_report_.stop)
      return CheckError(output_report_, "output check failed", attempt_->table());
    return OpOk();
  }

  OpResult<std::unique_ptr<OutputChunk>> Produce(std::size_t partition) {
    if (!states_.empty()) {
      PartitionState state = std::move(states_[partition]);
      NM_RETURN_IF_ERROR(FoldInto(state, partition));
      return EmitPartition(plan_, state, attempt_->budget());
    }
    PartitionState state(plan_.program, attempt_->budget());
    NM_RETURN_IF_ERROR(FoldInto(state, partition));
    return EmitPartition(plan_, state, attempt_->budget());
  }

  OpResult<std::string> Publish() {
    AttemptOutcome outcome;
    outcome.data = std::move(data_);
    outcome.warnings = spec_.warnings;
    ScanCounts counts;
    for (const auto& scan : scans_) {
      counts.selected += scan->counts().selected;
      counts.null_keys += scan->counts().null_keys;
      counts.truncated_timestamps += scan->counts().truncated_timestamps;
    }
    if (plan_.null_key == NullKey::kDrop && counts.null_keys > 0) {
      outcome.warnings.push_back(fmt::format("{} null keys dropped", counts.null_keys));
    }
    if (counts.truncated_timestamps > 0) {
      outcome.warnings.push_back(
          fmt::format("{} timestamps cut to microseconds", counts.truncated_timestamps));
    }
    for (const CheckReport* report : {&input_report_, &output_report_}) {
      for (const std::string& line : report->failed) outcome.warnings.push_back("check " + line);
    }
    if (input_report_.checks + output_report_.checks > 0) {
      outcome.checks =
          fmt::format("{{\"input\":{},\"output\":{}}}", input_report_.json, output_report_.json);
    }
    outcome.extra =
        Json{{"rows_in", counts.selected}, {"groups", groups_}, {"null_keys", counts.null_keys}}
            .dump();
    attempt_->context().log(fmt::format(
        "aggregate: {} rows in {} row groups, {} groups, {} partitions, {} early folds, peak {} MB",
        counts.selected, units_.size(), groups_, partitions_, folds_,
        attempt_->budget().peak() / 1'000'000));
    return attempt_->Publish(std::move(outcome));
  }

  // Enough for all records at once needs no lasting tables; that is what we can promise.
  OperatorError WithSmallestBudget(OperatorError error) const {
    const std::int64_t records = rows_ * std::max(plan_.program.most_bytes(), 16);
    const std::int64_t chains = attempt_->threads() * (std::int64_t{1} << bits_) * kBlockSlack;
    const std::int64_t bytes = (records + chains) / 8 * 10 + (64 << 20);
    const std::int64_t megabytes =
        std::max(bytes, attempt_->budget().limit() + (64 << 20)) / 1'000'000 + 1;
    error.hint = fmt::format("\"memory\": \"{}MB\" would do", megabytes);
    return error;
  }

  const AggregateSpec spec_;
  const OperatorContext& context_;
  std::unique_ptr<Attempt> attempt_;
  InputTable table_;
  BoundColumns bound_;
  AggregatePlan plan_;
  std::vector<TableUnit> units_;
  std::int64_t rows_ = 0;
  int bits_ = 0;
  std::size_t partitions_ = 1;
  std::vector<std::unique_ptr<AggregateScan>> scans_;
  std::vector<std::unique_ptr<RecordWriter>> writers_;
  std::vector<CheckState> input_checks_;
  std::vector<PartitionState> states_;
  int folds_ = 0;
  CheckReport input_report_, output_report_;
  std::int64_t groups_ = 0;
  WrittenTable data_;
};

OpResult<std::string> RunAggregate(std::string_view text, const OperatorContext& context) {
  NM_ASSIGN_OR_RETURN(const AggregateSpec spec, ParseSpec(text, ReadAggregate));
  return RunRounds(context, [&] { return AggregateRun(spec, context).Run(); });
}

class AggregateOperator final : public Operator {
 public:
  OperatorResult Run(std::string_view spec, const OperatorContext& context) const override {
    return ToOperatorResult(RunAggregate(spec, context));
  }
};

}  // namespace

const Operator& Aggregate() {
  static const AggregateOperator kAggregate;
  return kAggregate;
}

}  // namespace nightmill
