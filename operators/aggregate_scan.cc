#include "operators/aggregate_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/base/time.h"
#include "operators/columnar/key_hash.h"

namespace nightmill {
namespace {

constexpr std::string_view kNullPartition = "__HIVE_DEFAULT_PARTITION__";
// A text column whose block shows no more distinct values is tried as a small domain.
constexpr std::size_t kSmallSample = 60;

// One part of a composite key: a byte 1, then 8 bytes or a length and bytes; a null is a byte 0.
void AppendNumber(std::string& key, std::uint64_t number) {
  char bytes[9] = {1};
  std::memcpy(bytes + 1, &number, sizeof number);
  key.append(bytes, sizeof bytes);
}
void AppendText(std::string& key, std::string_view text) {
  char bytes[5] = {1};
  const auto size = static_cast<std::uint32_t>(text.size());
  std::memcpy(bytes + 1, &size, sizeof size);
  key.append(bytes, sizeof bytes);
  key.append(text);
}

}  // namespace

AggregateScan::AggregateScan(const AggregatePlan& plan, MemoryBudget& budget)
    : plan_(plan),
      budget_(budget),
      texts_(budget),
      columns_(plan.inputs.size()),
      tables_(plan.inputs.size()),
      vectors_(plan.inputs.size()),
      loaded_(plan.inputs.size()),
      is_loaded_(plan.inputs.size()),
      sources_(plan.slots.size()),
      sides_(plan.slots.size()),
      recent_(plan.slots.size()),
      flags_(kBlockRows),
      passed_(kBlockRows),
      selected_(kBlockRows),
      kept_(kBlockRows),
      zero_codes_(kBlockRows, 0),
      null_codes_(kBlockRows, 1),
      days_(plan.inputs.size()),
      partition_texts_(plan.inputs.size()) {
  for (std::size_t s = 0; s < plan.slots.size(); ++s) encoders_.emplace_back(plan, s, texts_);
}

OpStatus AggregateScan::Located(OpStatus status, const ScanUnit& unit) const {
  if (status.ok()) return status;
  OperatorError error = status.error();
  if (error.file.empty()) error.file = unit.source->info().path;
  if (error.row_group < 0) error.row_group = unit.row_group;
  return error;
}

OpStatus AggregateScan::Open(const ScanUnit& unit) {
  std::vector<ColumnWant> wants;
  scan_columns_.assign(plan_.inputs.size(), -1);
  for (std::size_t i = 0; i < plan_.inputs.size(); ++i) {
    const PlanInput& input = plan_.inputs[i];
    if (input.partition) {
      LoadPartitionValue(unit, i);
      continue;
    }
    scan_columns_[i] = static_cast<int>(wants.size());
    wants.push_back({unit.columns[i], input.type, CarrierOf(input.type) == Carrier::kText});
  }
  NM_ASSIGN_OR_RETURN(scan_, OpenRowGroup(*unit.source, unit.row_group, wants, budget_));
  first_row_ = 0;
  return OpOk();
}

// A value from the path is a column of one code, or of one date.
void AggregateScan::LoadPartitionValue(const ScanUnit& unit, std::size_t input) {
  const PlanInput& planned = plan_.inputs[input];
  SlotColumn& data = columns_[input].data;
  data = {};
  data.type = planned.type;
  columns_[input].unit = unit.number;
  std::string_view text = kNullPartition;
  for (const auto& [name, value] : *unit.partition) {
    if (name == planned.name) text = value;
  }
  data.codes = text == kNullPartition ? null_codes_.data() : zero_codes_.data();
  data.dictionary_size = 1;
  if (planned.type.kind == TypeKind::kDate) {
    const auto day = ParseDate(text);
    days_[input] = day.ok() ? *day : 0;
    if (!day.ok()) data.codes = null_codes_.data();
    data.values = &days_[input];
    return;
  }
  partition_texts_[input] = text;
  data.values = &partition_texts_[input];
}

OpStatus AggregateScan::LoadBlock(const ScanUnit& unit) {
  const std::int64_t left = scan_->rows() - first_row_;
  rows_ = static_cast<std::int32_t>(std::min<std::int64_t>(kBlockRows, left));
  for (std::size_t i = 0; i < plan_.inputs.size(); ++i) {
    ScanColumn& column = columns_[i];
    is_loaded_[i] = false;
    column.Changed();
    if (scan_columns_[i] < 0) {
      column.data.rows = rows_;
      continue;
    }
    NM_ASSIGN_OR_RETURN(const Block block,
                        scan_->column(static_cast<std::size_t>(scan_columns_[i])).Next());
    CHECK(block.rows == rows_);
    column.unit = unit.number;
    column.data = {plan_.inputs[i].type, rows_, block.values, block.valid, nullptr, 0};
    if (block.form == Form::kCodes) {
      column.data.values = block.dict.values;
      column.data.codes = block.codes;
      column.data.dictionary_size = block.dict.size;
      column.data.valid = nullptr;
    }
  }
  batch_ = {rows_, loaded_};
  return OpOk();
}

const expr::Batch& AggregateScan::Rows(std::span<const int> inputs) {
  for (const int input : inputs) {
    const auto i = static_cast<std::size_t>(input);
    if (!is_loaded_[i]) loaded_[i] = vectors_[i].Load(columns_[i].data);
    is_loaded_[i] = true;
  }
  return batch_;
}

OpStatus AggregateScan::Scan(const ScanUnit& unit, RecordWriter& writer, CheckState& checks,
                             const std::atomic<bool>& cancelled) {
  NM_RETURN_IF_ERROR(Located(Open(unit), unit));
  while (first_row_ < scan_->rows()) {
    if (cancelled.load(std::memory_order_relaxed)) return Cancelled();
    NM_RETURN_IF_ERROR(Located(ScanBlock(unit, writer, checks), unit));
    first_row_ += rows_;
  }
  counts_.truncated_timestamps += scan_->truncated_timestamps();
  scan_.reset();
  return OpOk();
}

OpStatus AggregateScan::ScanBlock(const ScanUnit& unit, RecordWriter& writer, CheckState& checks) {
  NM_RETURN_IF_ERROR(LoadBlock(unit));
  NM_RETURN_IF_ERROR(Select());
  std::int64_t selected = rows_;
  if (!select_all_) selected = std::count(selected_.begin(), selected_.begin() + rows_, 1);
  counts_.rows += rows_;
  counts_.selected += selected;
  checks.AddRows(selected);
  if (selected == 0) return OpOk();
  const std::uint8_t* mask = select_all_ ? nullptr : selected_.data();
  for (const int input : plan_.check_inputs) {
    const ScanColumn& column = columns_[static_cast<std::size_t>(input)];
    NM_RETURN_IF_ERROR(checks.AddColumn(input, column.data, mask, unit.number));
  }
  NM_RETURN_IF_ERROR(SetFlags());
  NM_RETURN_IF_ERROR(SelectKeys(unit));
  NM_RETURN_IF_ERROR(LoadKeys());
  for (std::size_t s = 0; s < encoders_.size(); ++s) {
    const PlanSlot& slot = plan_.slots[s];
    ScanColumn* order =
        slot.order_input < 0 ? nullptr : &columns_[static_cast<std::size_t>(slot.order_input)];
    NM_RETURN_IF_ERROR(
        encoders_[s].Encode(columns_[static_cast<std::size_t>(slot.input)], order, flags_.data()));
    sources_[s] = encoders_[s].source();
    std::swap(sides_[s], encoders_[s].sides());
    if (plan_.program.slots[s].once) DropRepeats(s);
  }
  const std::uint8_t* kept = keep_all_ ? nullptr : kept_.data();
  return writer.Append({rows_, kept, flags_.data(), key_, sources_, sides_});
}

OpStatus AggregateScan::Select() {
  const auto n = static_cast<std::size_t>(rows_);
  select_all_ = true;
  if (plan_.window_input >= 0) {
    ScanColumn& column = columns_[static_cast<std::size_t>(plan_.window_input)];
    const std::uint64_t* numbers = column.Numbers();
    bool all = true;
    for (std::size_t i = 0; i < n; ++i) {
      const auto v = static_cast<std::int64_t>(numbers[i]);
      selected_[i] = v >= plan_.window_from && v < plan_.window_to && column.IsValid(i);
      all = all && selected_[i] != 0;
    }
    select_all_ = all;
  }
  if (!plan_.filter) return OpOk();
  const Status filtered =
      expr::EvaluatePredicate(*plan_.filter, Rows(plan_.filter_inputs), passed_.data(),
                              select_all_ ? nullptr : selected_.data());
  if (!filtered.ok()) return FromCore(OperatorErrorCode::kBadInput, filtered.error());
  for (std::size_t i = 0; i < n; ++i) {
    selected_[i] = passed_[i] != 0 && (select_all_ || selected_[i] != 0);
  }
  select_all_ =
      std::find(selected_.begin(), selected_.begin() + rows_, 0) == selected_.begin() + rows_;
  return OpOk();
}

OpStatus AggregateScan::SetFlags() {
  std::fill_n(flags_.begin(), rows_, kRowBit);
  for (std::size_t i = 0; i < plan_.inputs.size(); ++i) {
    const ScanColumn& column = columns_[i];
    if (!column.coded() || CarrierOf(column.data.type) != Carrier::kText) continue;
    NM_RETURN_IF_ERROR(LoadCodeTable(i));
    const std::uint64_t* by_code = tables_[i].flags.data();
    const std::int32_t* codes = column.data.codes;
    for (std::int32_t k = 0; k < rows_; ++k)
      flags_[static_cast<std::size_t>(k)] |= by_code[codes[k]];
  }
  for (std::size_t p = 0; p < plan_.predicates.size(); ++p) {
    const PlanPredicate& predicate = plan_.predicates[p];
    if (predicate.inputs.size() == 1) {
      const auto i = static_cast<std::size_t>(predicate.inputs[0]);
      const std::vector<int>& by_row = tables_[i].by_row;
      const bool done =
          columns_[i].coded() && CarrierOf(columns_[i].data.type) == Carrier::kText &&
          std::find(by_row.begin(), by_row.end(), static_cast<int>(p)) == by_row.end();
      if (done) continue;
    }
    NM_RETURN_IF_ERROR(ApplyPredicate(predicate));
  }
  return OpOk();
}

OpStatus AggregateScan::ApplyPredicate(const PlanPredicate& predicate) {
  const Status passed =
      expr::EvaluatePredicate(predicate.bound, Rows(predicate.inputs), passed_.data(),
                              select_all_ ? nullptr : selected_.data());
  if (!passed.ok()) return FromCore(OperatorErrorCode::kBadInput, passed.error());
  for (std::size_t i = 0; i < static_cast<std::size_t>(rows_); ++i) {
    flags_[i] |= std::uint64_t{passed_[i]} << predicate.bit;
  }
  return OpOk();
}

// Predicates over this column alone, presence in its slots and its keys, once per entry.
OpStatus AggregateScan::LoadCodeTable(std::size_t input) {
  CodeTable& table = tables_[input];
  const ScanColumn& column = columns_[input];
  if (table.unit == column.unit) return OpOk();
  const auto entries = static_cast<std::size_t>(column.data.dictionary_size) + 1;
  table.flags.assign(entries, 0);
  table.by_row.clear();
  SlotVector vector;
  expr::Vector dictionary;
  std::vector<expr::Vector> fields(plan_.inputs.size());
  std::vector<std::uint8_t> passed(entries);
  for (std::size_t p = 0; p < plan_.predicates.size(); ++p) {
    const PlanPredicate& predicate = plan_.predicates[p];
    if (predicate.inputs.size() != 1 || predicate.inputs[0] != static_cast<int>(input)) continue;
    if (dictionary.size == 0) fields[input] = dictionary = vector.LoadDictionary(column.data);
    const expr::Batch batch{dictionary.size, fields};
    // An entry that no row uses must not fail the run: then rows are judged one by one.
    if (!expr::EvaluatePredicate(predicate.bound, batch, passed.data()).ok()) {
      table.by_row.push_back(static_cast<int>(p));
      continue;
    }
    for (std::size_t e = 0; e < entries; ++e) {
      table.flags[e] |= std::uint64_t{passed[e]} << predicate.bit;
    }
  }
  for (std::size_t s = 0; s < encoders_.size(); ++s) {
    const PlanSlot& slot = plan_.slots[s];
    if (slot.input != static_cast<int>(input) || slot.order_input >= 0) continue;
    NM_RETURN_IF_ERROR(encoders_[s].LoadDictionary(column, table.flags));
  }
  table.keys.clear();
  if (plan_.keys.size() == 1 && plan_.keys[0] == static_cast<int>(input)) {
    const auto* texts = static_cast<const std::string_view*>(column.data.values);
    std::string key;
    for (std::size_t e = 0; e < entries; ++e) {
      key.assign(1, '\0');
      if (e + 1 < entries) key.clear(), AppendText(key, texts[e]);
      NM_ASSIGN_OR_RETURN(const TextStore::Found found, texts_.Intern(key));
      table.keys.push_back(found);
    }
  }
  table.unit = column.unit;
  return OpOk();
}

// Null keys are kept, dropped or refused; numbers mark them in the flags.
OpStatus AggregateScan::SelectKeys(const ScanUnit& unit) {
  keep_all_ = select_all_;
  if (!select_all_) std::copy_n(selected_.begin(), rows_, kept_.begin());
  for (const int key : plan_.keys) {
    const ScanColumn& column = columns_[static_cast<std::size_t>(key)];
    if (!column.has_nulls()) continue;
    for (std::size_t i = 0; i < static_cast<std::size_t>(rows_); ++i) {
      if (column.IsValid(i)) continue;
      flags_[i] |= plan_.program.text_key ? 0 : kNullKeyBit;
      if (!keep_all_ && kept_[i] == 0) continue;
      ++counts_.null_keys;
      if (plan_.null_key == NullKey::kFail) {
        OperatorError error = BadInput("null key", "null_key", "null_key: keep or drop");
        error.column = column.data.rows > 0 ? plan_.inputs[static_cast<std::size_t>(key)].name : "";
        error.row = first_row_ + static_cast<std::int64_t>(i);
        error.row_group = unit.row_group;
        return error;
      }
      if (plan_.null_key == NullKey::kKeep) continue;
      if (keep_all_) std::fill_n(kept_.begin(), rows_, 1);
      keep_all_ = false;
      kept_[i] = 0;
    }
  }
  return OpOk();
}

OpStatus AggregateScan::LoadKeys() {
  const auto first = static_cast<std::size_t>(plan_.keys[0]);
  ScanColumn& column = columns_[first];
  if (!plan_.program.text_key) {
    const std::uint64_t* numbers = column.Numbers();
    if (CarrierOf(column.data.type) == Carrier::kDouble) {
      fixed_keys_.resize(kBlockRows);
      for (std::size_t i = 0; i < static_cast<std::size_t>(rows_); ++i) {
        const double v = expr::CanonicalDouble(std::bit_cast<double>(numbers[i]));
        fixed_keys_[i] = std::bit_cast<std::uint64_t>(v);
      }
      numbers = fixed_keys_.data();
    }
    key_ = {numbers, nullptr};
    return OpOk();
  }
  if (plan_.keys.size() == 1 && column.coded()) {
    key_ = {tables_[first].keys.data(), column.data.codes};
    return OpOk();
  }
  return ComposeKeys();
}

OpStatus AggregateScan::ComposeKeys() {
  text_keys_.resize(kBlockRows);
  std::string key;
  for (std::size_t i = 0; i < static_cast<std::size_t>(rows_); ++i) {
    if (!keep_all_ && kept_[i] == 0) continue;
    key.clear();
    for (const int input : plan_.keys) {
      ScanColumn& column = columns_[static_cast<std::size_t>(input)];
      const Carrier carrier = CarrierOf(column.data.type);
      if (!column.IsValid(i)) {
        key.push_back('\0');
      } else if (carrier == Carrier::kText) {
        AppendText(key, column.TextAt(i));
      } else {
        std::uint64_t number = column.Numbers()[i];
        if (carrier == Carrier::kDouble) {
          const double v = expr::CanonicalDouble(std::bit_cast<double>(number));
          number = std::bit_cast<std::uint64_t>(v);
        }
        AppendNumber(key, number);
      }
    }
    NM_ASSIGN_OR_RETURN(text_keys_[i], texts_.Intern(key));
  }
  key_ = {text_keys_.data(), nullptr};
  return OpOk();
}

// What tells this thread's keys apart: texts are stored once per thread.
std::uint64_t AggregateScan::KeyAt(std::size_t row) const {
  if (!plan_.program.text_key) return static_cast<const std::uint64_t*>(key_.values)[row];
  const std::size_t at = key_.codes == nullptr ? row : static_cast<std::size_t>(key_.codes[row]);
  return std::bit_cast<std::uint64_t>(static_cast<const TextStore::Found*>(key_.values)[at].text);
}

// A pair sent before, under all conditions that this row meets too, changes no count.
void AggregateScan::DropRepeats(std::size_t slot) {
  if (!recent_[slot]) recent_[slot] = std::make_unique<RecentPairs>();
  std::uint64_t conditions = kRowBit;
  for (const std::uint64_t where : plan_.slots[slot].wheres) conditions |= where;
  std::erase_if(sides_[slot], [&](const SideRow& side) {
    if (!keep_all_ && kept_[side.row] == 0) return true;
    const std::uint64_t flags = flags_[side.row];
    if ((flags & kNullKeyBit) != 0) return false;
    return recent_[slot]->Seen(
        {KeyAt(side.row), side.low, side.high, flags & conditions, side.kind});
  });
}

// By hashes: a guess is enough.
double AggregateScan::SampleFresh(std::size_t slot) {
  const PlanSlot& planned = plan_.slots[slot];
  std::uint64_t conditions = 0;
  bool always = false;
  for (const std::uint64_t where : planned.wheres) conditions |= where, always |= where == 0;
  std::vector<int> inputs = plan_.keys;
  inputs.push_back(planned.input);
  std::vector<std::uint64_t> pairs;
  for (std::size_t i = 0; i < static_cast<std::size_t>(rows_); ++i) {
    const std::uint64_t met = flags_[i] & conditions;
    if (!columns_[static_cast<std::size_t>(planned.input)].IsValid(i)) continue;
    if (!always && met == 0) continue;
    std::uint64_t hash = met;
    for (const int input : inputs) {
      ScanColumn& column = columns_[static_cast<std::size_t>(input)];
      std::uint64_t part = 1;
      if (column.IsValid(i)) {
        part = CarrierOf(column.data.type) == Carrier::kText ? HashKeyBytes(column.TextAt(i))
                                                             : HashKey64(column.Numbers()[i]);
      }
      hash = FoldMultiply(hash ^ kXxhPrime1, part ^ kXxhPrime2);
    }
    pairs.push_back(hash);
  }
  if (pairs.empty()) return 1.0;
  std::sort(pairs.begin(), pairs.end());
  const auto fresh = std::unique(pairs.begin(), pairs.end()) - pairs.begin();
  return static_cast<double>(fresh) / static_cast<double>(pairs.size());
}

SlotSample AggregateScan::SampleSlot(std::size_t slot) {
  const PlanSlot& planned = plan_.slots[slot];
  ScanColumn& column = columns_[static_cast<std::size_t>(planned.input)];
  const bool text = CarrierOf(column.data.type) == Carrier::kText;
  SlotSample sample;
  std::vector<std::string_view> texts;
  std::int64_t carried = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(rows_); ++i) {
    if (!column.IsValid(i)) continue;
    bool wanted = false;
    for (const std::uint64_t where : planned.wheres) wanted |= (flags_[i] & where) == where;
    carried += wanted ? 1 : 0;
    if (text) texts.push_back(column.TextAt(i));
    if (!sample.seen && text) sample.kind = PackText(column.TextAt(i)).kind;
    if (!sample.seen && !text) sample.number = static_cast<std::int64_t>(column.Numbers()[i]);
    sample.seen = true;
  }
  std::sort(texts.begin(), texts.end());
  const auto distinct = std::unique(texts.begin(), texts.end()) - texts.begin();
  sample.small = sample.seen && static_cast<std::size_t>(distinct) <= kSmallSample;
  if (rows_ > 0) sample.carried = static_cast<double>(carried) / rows_;
  sample.fresh = SampleFresh(slot);
  return sample;
}

OpResult<std::vector<SlotSample>> AggregateScan::Sample(const ScanUnit& unit) {
  std::vector<SlotSample> samples(plan_.slots.size());
  NM_RETURN_IF_ERROR(Located(Open(unit), unit));
  if (scan_->rows() == 0) return samples;
  NM_RETURN_IF_ERROR(Located(LoadBlock(unit), unit));
  std::fill_n(flags_.begin(), rows_, kRowBit);
  for (const PlanPredicate& predicate : plan_.predicates) {
    // A row that fails may lie outside the window: the scan itself will tell.
    if (!ApplyPredicate(predicate).ok()) continue;
  }
  for (std::size_t s = 0; s < samples.size(); ++s) samples[s] = SampleSlot(s);
  scan_.reset();
  return samples;
}

}  // namespace nightmill
