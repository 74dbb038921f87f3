#include "operators/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/base/json.h"
#include "operators/checks_internal.h"
#include "operators/columnar/key_hash.h"

namespace nightmill {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kSampleValues = 20;
// Room for hashes of `unique` is reserved in steps of this many.
constexpr std::size_t kHashStep = 1u << 16;

std::string_view ExpectationName(CheckKind kind) {
  switch (kind) {
    case CheckKind::kRowCountBetween:
      return "expect_table_row_count_to_be_between";
    case CheckKind::kNotNull:
      return "expect_column_values_to_not_be_null";
    case CheckKind::kBetween:
      return "expect_column_values_to_be_between";
    case CheckKind::kInSet:
      return "expect_column_values_to_be_in_set";
    case CheckKind::kContains:
      return "expect_column_distinct_values_to_contain_set";
    case CheckKind::kUnique:
      return "expect_column_values_to_be_unique";
    case CheckKind::kType:
      return "expect_column_values_to_be_of_type";
    case CheckKind::kSchema:
      return "expect_table_columns_to_match_set";
  }
  return "";
}

Json ToJson(const expr::Value& value) {
  switch (value.type) {
    case expr::DataType::kNull:
      return nullptr;
    case expr::DataType::kBool:
      return value.i != 0;
    case expr::DataType::kInt64:
      return value.i;
    case expr::DataType::kDouble:
      if (std::isfinite(value.d)) return value.d;
      return expr::ToText(value);
    case expr::DataType::kString:
      return value.s;
    default:
      return expr::ToText(value);
  }
}

bool Less(const expr::Value& a, const expr::Value& b) {
  if (a.type == expr::DataType::kDouble) return expr::CompareDoubles(a.d, b.d) < 0;
  return a.type == expr::DataType::kString ? a.s < b.s : a.i < b.i;
}

// Compares a row with a value without building one.
bool LessAt(const expr::Vector& v, std::int64_t row, const expr::Value& b) {
  const std::size_t at = v.At(row);
  if (v.type == expr::DataType::kDouble) return expr::CompareDoubles(v.doubles[at], b.d) < 0;
  return v.type == expr::DataType::kString ? v.strings[at] < b.s : v.ints[at] < b.i;
}

// The smallest distinct unexpected values: the same whatever the order they come in.
void Sample(std::vector<expr::Value>& sample, const expr::Vector& v, std::int64_t row) {
  if (sample.size() == kSampleValues && !LessAt(v, row, sample.back())) return;
  expr::Value value = expr::ValueAt(v, row);
  const auto at = std::lower_bound(sample.begin(), sample.end(), value, Less);
  if (at != sample.end() && !Less(value, *at)) return;
  sample.insert(at, std::move(value));
  if (sample.size() > kSampleValues) sample.pop_back();
}

Hash128 HashAt(const expr::Vector& v, std::int64_t row) {
  if (v.type == expr::DataType::kString) return Murmur128(v.strings[v.At(row)]);
  return {HashKey64(ValueBits(v, row)), ValueBits(v, row)};
}

// Rows whose value occurs more than once.
std::int64_t CountRepeated(std::vector<Hash128>& hashes) {
  std::sort(hashes.begin(), hashes.end());
  std::int64_t repeated = 0;
  for (std::size_t i = 0; i < hashes.size();) {
    std::size_t end = i + 1;
    while (end < hashes.size() && hashes[end] == hashes[i]) ++end;
    if (end - i > 1) repeated += static_cast<std::int64_t>(end - i);
    i = end;
  }
  return repeated;
}

constexpr std::uint8_t kBad = 0, kGood = 1, kMissing = 2;

}  // namespace

// What one check has counted. Rows of a column with codes are judged once per dictionary entry.
struct CheckState::Tally {
  std::shared_ptr<const BoundCheck> check;
  std::int64_t missing = 0;
  std::int64_t unexpected = 0;
  std::vector<expr::Value> sample;
  std::vector<bool> found;  // contains
  std::size_t to_find = 0;
  std::vector<Hash128> hashes;        // unique
  std::int64_t chunk = -1;            // the dictionary that the tables below belong to
  std::vector<std::uint8_t> verdict;  // per code
  std::vector<std::int32_t> places;   // contains: place in values, or -1
  std::vector<Hash128> code_hashes;
  SlotVector slots;
  SlotVector entries;

  OpStatus Judge(const expr::Vector& v, std::vector<std::uint8_t>& out) const {
    out.assign(static_cast<std::size_t>(v.size), kGood);
    if (check->predicate) {
      const auto passed = expr::Evaluate(*check->predicate, expr::Batch{v.size, {&v, 1}});
      if (!passed.ok()) return FromCore(OperatorErrorCode::kBadInput, passed.error());
      for (std::int64_t i = 0; i < v.size; ++i) {
        if (!passed->IsValid(i) || passed->ints[passed->At(i)] == 0) {
          out[static_cast<std::size_t>(i)] = kBad;
        }
      }
    }
    for (std::int64_t i = 0; i < v.size; ++i) {
      if (!v.IsValid(i)) out[static_cast<std::size_t>(i)] = kMissing;
    }
    return OpOk();
  }

  std::int32_t PlaceOf(const expr::Vector& v, std::int64_t row) const {
    if (!v.IsValid(row)) return -1;
    if (v.type == expr::DataType::kString) {
      const auto at = check->texts.find(v.strings[v.At(row)]);
      return at == check->texts.end() ? -1 : static_cast<std::int32_t>(at->second);
    }
    const auto at = check->bits.find(ValueBits(v, row));
    return at == check->bits.end() ? -1 : static_cast<std::int32_t>(at->second);
  }

  void Find(std::int32_t place) {
    if (place < 0 || found[static_cast<std::size_t>(place)]) return;
    found[static_cast<std::size_t>(place)] = true;
    --to_find;
  }

  // Tables over the dictionary of this chunk.
  OpStatus LoadChunk(const SlotColumn& data, std::int64_t number) {
    if (chunk == number) return OpOk();
    const expr::Vector v = entries.LoadDictionary(data);
    const auto n = static_cast<std::size_t>(v.size);
    NM_RETURN_IF_ERROR(Judge(v, verdict));
    if (check->spec->kind == CheckKind::kContains) {
      places.resize(n);
      for (std::size_t i = 0; i < n; ++i) places[i] = PlaceOf(v, static_cast<std::int64_t>(i));
    }
    if (check->spec->kind == CheckKind::kUnique) {
      code_hashes.resize(n);
      for (std::size_t i = 0; i + 1 < n; ++i) {
        code_hashes[i] = HashAt(v, static_cast<std::int64_t>(i));
      }
    }
    chunk = number;
    return OpOk();
  }

  Json Result(std::int64_t rows, bool* success);
  bool Mostly(std::int64_t good, std::int64_t of) const {
    return of == 0 ||
           static_cast<double>(good) >= check->spec->mostly * static_cast<double>(of) - 1e-9;
  }
};

CheckState::CheckState(std::shared_ptr<const BoundChecks> checks, MemoryBudget& budget)
    : checks_(std::move(checks)), hold_(budget) {
  for (const auto& check : checks_->checks()) {
    auto tally = std::make_unique<Tally>();
    tally->check = check;
    if (check->spec->kind == CheckKind::kContains) {
      tally->found.assign(check->spec->values.size(), false);
      tally->to_find = std::max(check->texts.size(), check->bits.size());
    }
    tallies_.push_back(std::move(tally));
  }
}
CheckState::~CheckState() = default;
CheckState::CheckState(CheckState&&) noexcept = default;

OpStatus CheckState::AddColumn(int column, const SlotColumn& data, const std::uint8_t* selected,
                               std::int64_t chunk) {
  for (const auto& tally : tallies_) {
    if (tally->check->column != column) continue;
    OpStatus added = AddTo(*tally, data, selected, chunk);
    if (!added.ok()) {
      OperatorError error = added.error();
      error.column = checks_->schema().fields[static_cast<std::size_t>(column)].name;
      return error;
    }
  }
  return OpOk();
}

OpStatus CheckState::AddTo(Tally& tally, const SlotColumn& data, const std::uint8_t* selected,
                           std::int64_t chunk) {
  const CheckKind kind = tally.check->spec->kind;
  if (kind == CheckKind::kType || (kind == CheckKind::kContains && tally.to_find == 0)) {
    return OpOk();
  }
  if (kind == CheckKind::kNotNull && data.codes == nullptr && data.valid == nullptr) return OpOk();
  if (kind == CheckKind::kUnique) {
    const std::size_t need = tally.hashes.size() + static_cast<std::size_t>(data.rows);
    if (need > tally.hashes.capacity()) {
      const std::size_t grown = std::max(need + kHashStep, tally.hashes.size() * 3 / 2);
      const auto bytes =
          static_cast<std::int64_t>((grown - tally.hashes.capacity()) * sizeof(Hash128));
      NM_RETURN_IF_ERROR(hold_.Resize(hold_.held() + bytes, "values of a unique check"));
      tally.hashes.reserve(grown);
    }
  }
  const bool coded = data.codes != nullptr;
  expr::Vector v;
  std::vector<std::uint8_t> own;
  if (coded) {
    NM_RETURN_IF_ERROR(tally.LoadChunk(data, chunk));
  } else {
    v = tally.slots.Load(data);
    NM_RETURN_IF_ERROR(tally.Judge(v, own));
  }
  const std::vector<std::uint8_t>& verdict = coded ? tally.verdict : own;
  expr::Vector texts;  // values behind codes, for the sample
  for (std::int64_t row = 0; row < data.rows; ++row) {
    if (selected != nullptr && selected[row] == 0) continue;
    const std::int64_t at = coded ? data.codes[row] : row;
    const std::uint8_t judged = verdict[static_cast<std::size_t>(at)];
    if (judged == kMissing) {
      ++tally.missing;
    } else if (kind == CheckKind::kContains) {
      tally.Find(coded ? tally.places[static_cast<std::size_t>(at)] : tally.PlaceOf(v, row));
    } else if (kind == CheckKind::kUnique) {
      tally.hashes.push_back(coded ? tally.code_hashes[static_cast<std::size_t>(at)]
                                   : HashAt(v, row));
    } else if (judged == kBad) {
      ++tally.unexpected;
      if (coded && texts.size == 0) texts = tally.entries.LoadDictionary(data);
      Sample(tally.sample, coded ? texts : v, at);
    }
  }
  return OpOk();
}

OpStatus CheckState::Merge(CheckState&& other) {
  rows_ += other.rows_;
  for (std::size_t i = 0; i < tallies_.size(); ++i) {
    Tally& to = *tallies_[i];
    Tally& from = *other.tallies_[i];
    to.missing += from.missing;
    to.unexpected += from.unexpected;
    for (std::size_t k = 0; k < from.found.size(); ++k) {
      if (from.found[k]) to.Find(static_cast<std::int32_t>(k));
    }
    for (const expr::Value& value : from.sample) {
      Sample(to.sample, expr::ConstantVector(value, 1), 0);
    }
    if (from.hashes.empty()) continue;
    const std::size_t grown = to.hashes.size() + from.hashes.size();
    const auto bytes = static_cast<std::int64_t>(from.hashes.size() * sizeof(Hash128));
    NM_RETURN_IF_ERROR(hold_.Resize(hold_.held() + bytes, "values of a unique check"));
    to.hashes.reserve(grown);
    to.hashes.insert(to.hashes.end(), from.hashes.begin(), from.hashes.end());
    from.hashes = {};
  }
  return other.hold_.Resize(0, "");
}

Json CheckState::Tally::Result(std::int64_t rows, bool* success) {
  const CheckSpec& spec = *check->spec;
  Json result = Json::object();
  switch (spec.kind) {
    case CheckKind::kRowCountBetween:
      result["observed_value"] = rows;
      *success = (!spec.min || rows >= spec.min->i) && (!spec.max || rows <= spec.max->i);
      return result;
    case CheckKind::kType:
    case CheckKind::kSchema:
      result["observed_value"] = Json::parse(check->observed, nullptr, false);
      *success = check->passed;
      return result;
    case CheckKind::kContains: {
      Json lacking = Json::array();
      std::vector<std::size_t> order;
      for (const auto& [text, at] : check->texts) order.push_back(at);
      for (const auto& [bits, at] : check->bits) order.push_back(at);
      std::sort(order.begin(), order.end());
      for (const std::size_t at : order) {
        if (!found[at]) lacking.push_back(ToJson(spec.values[at]));
      }
      *success = lacking.empty();
      result["element_count"] = rows;
      result["missing_values"] = std::move(lacking);
      return result;
    }
    default:
      break;
  }
  if (spec.kind == CheckKind::kUnique) unexpected = CountRepeated(hashes);
  const bool nulls = spec.kind == CheckKind::kNotNull;
  const std::int64_t of = nulls ? rows : rows - missing;
  const std::int64_t bad = nulls ? missing : unexpected;
  result["element_count"] = rows;
  result["unexpected_count"] = bad;
  result["unexpected_percent"] =
      of == 0 ? 0.0 : 100.0 * static_cast<double>(bad) / static_cast<double>(of);
  Json list = Json::array();
  for (const expr::Value& value : sample) list.push_back(ToJson(value));
  result["partial_unexpected_list"] = std::move(list);
  if (!nulls) result["missing_count"] = missing;
  *success = Mostly(of - bad, of);
  return result;
}

CheckReport CheckState::Finish() {
  CheckReport report;
  Json results = Json::array();
  std::vector<std::string> warned;
  for (const auto& tally : tallies_) {
    const CheckSpec& spec = *tally->check->spec;
    bool success = false;
    Json result = tally->Result(rows_, &success);
    if (!success) {
      std::string line(ToString(spec.kind));
      if (!spec.column.empty()) line += " " + spec.column;
      line += ": " + result.dump();
      (spec.stop ? report.failed : warned).push_back(std::move(line));
      report.stop = report.stop || spec.stop;
    }
    results.push_back(
        {{"success", success},
         {"expectation_config",
          {{"expectation_type", ExpectationName(spec.kind)},
           {"kwargs", Json::parse(spec.kwargs, nullptr, false)},
           {"meta", {{"type", ToString(spec.kind)}, {"severity", spec.stop ? "stop" : "warn"}}}}},
         {"result", std::move(result)}});
  }
  const auto all = static_cast<std::int64_t>(results.size());
  const auto bad = static_cast<std::int64_t>(report.failed.size() + warned.size());
  report.checks = all;
  report.json = Json{
      {"success", !report.stop},
      {"results", std::move(results)},
      {"statistics",
       {{"evaluated_expectations", all},
        {"successful_expectations", all - bad},
        {"unsuccessful_expectations",
         bad}}}}.dump();
  report.failed.insert(report.failed.end(), warned.begin(), warned.end());
  return report;
}

OperatorError CheckError(const CheckReport& report, std::string_view what, std::string file) {
  OperatorError error =
      MakeOpError(OperatorErrorCode::kCheck, fmt::format("{}: {}", what, report.failed.front()),
                  "check_failed", "nothing is published; the report has all checks");
  error.file = std::move(file);
  error.report = report.json;
  return error;
}

}  // namespace nightmill
