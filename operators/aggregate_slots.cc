#include "operators/aggregate_slots.h"

#include <bit>
#include <cstring>

#include "operators/expr/value.h"

namespace nightmill {
namespace {

template <class T>
std::uint64_t Carry(T v) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::bit_cast<std::uint64_t>(static_cast<double>(v));
  } else {
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(v));
  }
}

template <class T>
void CarryAll(const SlotColumn& data, std::vector<std::uint64_t>& out) {
  const auto* values = static_cast<const T*>(data.values);
  const auto n = static_cast<std::size_t>(data.rows);
  out.resize(n);
  if (data.codes == nullptr) {
    for (std::size_t i = 0; i < n; ++i) out[i] = Carry(values[i]);
    return;
  }
  for (std::size_t i = 0; i < n; ++i) {
    out[i] = data.codes[i] < data.dictionary_size ? Carry(values[data.codes[i]]) : 0;
  }
}

}  // namespace

std::int64_t OrderedDouble(double value) {
  const auto v = std::bit_cast<std::int64_t>(expr::CanonicalDouble(value));
  return v ^ ((v >> 63) & INT64_MAX);
}

double FromOrderedDouble(std::int64_t ordered) {
  return std::bit_cast<double>(ordered ^ ((ordered >> 63) & INT64_MAX));
}

const std::uint64_t* ScanColumn::Numbers() {
  const TypeKind kind = data.type.kind;
  const bool eight =
      kind == TypeKind::kInt64 || kind == TypeKind::kTimestamp || kind == TypeKind::kFloat64;
  if (eight && !coded()) return static_cast<const std::uint64_t*>(data.values);
  if (widened_) return numbers_.data();
  switch (kind) {
    case TypeKind::kBool:
      CarryAll<std::uint8_t>(data, numbers_);
      break;
    case TypeKind::kInt32:
    case TypeKind::kDate:
      CarryAll<std::int32_t>(data, numbers_);
      break;
    case TypeKind::kFloat32:
      CarryAll<float>(data, numbers_);
      break;
    case TypeKind::kFloat64:
      CarryAll<double>(data, numbers_);
      break;
    case TypeKind::kDecimal:
      CarryAll<Int128>(data, numbers_);
      break;
    default:
      CarryAll<std::int64_t>(data, numbers_);
      break;
  }
  widened_ = true;
  return numbers_.data();
}

SlotEncoder::SlotEncoder(const AggregatePlan& plan, std::size_t slot, TextStore& texts)
    : slot_(plan.program.slots[slot]),
      planned_(plan.slots[slot]),
      texts_(texts),
      floating_(CarrierOf(plan.inputs[static_cast<std::size_t>(planned_.input)].type) ==
                Carrier::kDouble),
      text_(CarrierOf(plan.inputs[static_cast<std::size_t>(planned_.input)].type) ==
            Carrier::kText),
      order_floating_(planned_.order_input >= 0 &&
                      CarrierOf(plan.inputs[static_cast<std::size_t>(planned_.order_input)].type) ==
                          Carrier::kDouble),
      small_(kBlockRows) {
  for (const std::uint64_t where : planned_.wheres) {
    always_ = always_ || where == 0;
    wheres_ |= where;
  }
  elements_.resize(kBlockRows * (WidthOf(slot_.form) == 16 ? 2 : 1));
}

std::uint8_t SlotEncoder::Number(std::string_view text) {
  const auto found = numbers_.find(std::string(text));
  if (found != numbers_.end()) return found->second;
  const std::uint8_t number = planned_.domain->Number(text);
  if (number < SmallDomain::kSize) numbers_.emplace(text, number);
  return number;
}

OpResult<SlotEncoder::TextForm> SlotEncoder::FormOf(std::string_view text) {
  TextForm form;
  if (slot_.form == SlotForm::kText) {
    NM_ASSIGN_OR_RETURN(const TextStore::Found found, texts_.Intern(text));
    form.words[0] = std::bit_cast<std::uint64_t>(found.text);
    form.side.low = form.words[0];
    form.is_inline = !slot_.sparse;
    return form;
  }
  if (slot_.form == SlotForm::kSmall) {
    form.words[0] = Number(text);
    form.is_inline = form.words[0] < SmallDomain::kSize;
    if (form.is_inline) return form;
  }
  const Packed packed = PackText(text);
  form.side = {0, packed.kind, packed.low, packed.high};
  if (slot_.form == SlotForm::kSmall) return form;
  form.words = {packed.low, packed.high};
  form.is_inline = packed.kind == slot_.kind && !slot_.sparse;
  return form;
}

void SlotEncoder::SetElement(std::size_t at, const TextForm& form) {
  switch (WidthOf(slot_.form)) {
    case 1:
      small_[at] = static_cast<std::uint8_t>(form.words[0]);
      break;
    case 16:
      elements_[2 * at] = form.words[0];
      elements_[2 * at + 1] = form.words[1];
      break;
    default:
      elements_[at] = form.words[0];
  }
}

OpStatus SlotEncoder::LoadDictionary(const ScanColumn& column, std::vector<std::uint64_t>& flags) {
  const auto* texts = static_cast<const std::string_view*>(column.data.values);
  const auto n = static_cast<std::size_t>(column.data.dictionary_size);
  const int width = WidthOf(slot_.form);
  code_forms_.assign(n + 1, TextForm{});
  code_elements_.assign((n + 1) * (width == 16 ? 2 : 1), 0);
  code_small_.assign(n + 1, SmallDomain::kNull);
  code_sides_ = false;
  for (std::size_t code = 0; code < n; ++code) {
    NM_ASSIGN_OR_RETURN(code_forms_[code], FormOf(texts[code]));
    const TextForm& form = code_forms_[code];
    if (form.is_inline) flags[code] |= slot_.present;
    code_sides_ = code_sides_ || !form.is_inline;
    if (width == 1) {
      code_small_[code] = static_cast<std::uint8_t>(form.words[0]);
    } else if (width == 16) {
      code_elements_[2 * code] = form.words[0];
      code_elements_[2 * code + 1] = form.words[1];
    } else {
      code_elements_[code] = form.words[0];
    }
  }
  if (!code_sides_) code_forms_.clear();
  return OpOk();
}

OpStatus SlotEncoder::Encode(ScanColumn& column, ScanColumn* order, std::uint64_t* flags) {
  sides_.clear();
  if (order != nullptr) return EncodePairs(column, *order, flags);
  if (!text_) {
    EncodeNumbers(column, flags);
    return OpOk();
  }
  if (!column.coded()) return EncodeTexts(column, flags);
  EncodeCodes(column, flags);
  return OpOk();
}

void SlotEncoder::EncodeNumbers(ScanColumn& column, std::uint64_t* flags) {
  const std::uint64_t* numbers = column.Numbers();
  const auto n = static_cast<std::size_t>(column.data.rows);
  const auto push = [&](std::size_t i) {
    sides_.push_back({static_cast<std::uint32_t>(i), 0, numbers[i], 0});
  };
  if (slot_.sparse) {
    for (std::size_t i = 0; i < n; ++i) {
      if (Wanted(flags[i]) && column.IsValid(i)) push(i);
    }
    return;
  }
  const bool nulls = column.has_nulls();
  if (slot_.form == SlotForm::kInt64) {
    source_ = {numbers, nullptr};
    for (std::size_t i = 0; i < n; ++i) {
      if (!nulls || column.IsValid(i)) flags[i] |= slot_.present;
    }
    return;
  }
  const auto base = static_cast<std::uint64_t>(slot_.base);
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint64_t above = numbers[i] - base;
    elements_[i] = above;
    if (nulls && !column.IsValid(i)) continue;
    if (above >> 48 == 0) [[likely]] {
      flags[i] |= slot_.present;
    } else {
      push(i);
    }
  }
  source_ = {elements_.data(), nullptr};
}

void SlotEncoder::EncodeCodes(const ScanColumn& column, const std::uint64_t* flags) {
  const std::int32_t* codes = column.data.codes;
  const void* elements = code_elements_.data();
  if (WidthOf(slot_.form) == 1) elements = code_small_.data();
  source_ = {elements, codes};
  if (!code_sides_) return;
  for (std::size_t i = 0; i < static_cast<std::size_t>(column.data.rows); ++i) {
    if (codes[i] == column.data.dictionary_size || !Wanted(flags[i])) continue;
    const TextForm& form = code_forms_[static_cast<std::size_t>(codes[i])];
    if (form.is_inline) continue;
    sides_.push_back(form.side);
    sides_.back().row = static_cast<std::uint32_t>(i);
  }
}

void SlotEncoder::PackBeside(const ScanColumn& column, const std::uint64_t* flags) {
  const bool nulls = column.has_nulls();
  for (std::size_t i = 0; i < static_cast<std::size_t>(column.data.rows); ++i) {
    if (!Wanted(flags[i]) || (nulls && !column.IsValid(i))) continue;
    const Packed packed = PackText(column.TextAt(i));
    sides_.push_back({static_cast<std::uint32_t>(i), packed.kind, packed.low, packed.high});
  }
}

OpStatus SlotEncoder::EncodeTexts(const ScanColumn& column, std::uint64_t* flags) {
  if (slot_.sparse && slot_.form != SlotForm::kText) {
    PackBeside(column, flags);
    return OpOk();
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(column.data.rows); ++i) {
    if (!column.IsValid(i) || (slot_.sparse && !Wanted(flags[i]))) {
      SetElement(i, TextForm{{SmallDomain::kNull, 0}});
      continue;
    }
    NM_ASSIGN_OR_RETURN(const TextForm form, FormOf(column.TextAt(i)));
    SetElement(i, form);
    if (form.is_inline) {
      flags[i] |= slot_.present;
    } else if (Wanted(flags[i])) {
      sides_.push_back(form.side);
      sides_.back().row = static_cast<std::uint32_t>(i);
    }
  }
  source_ = {WidthOf(slot_.form) == 1 ? static_cast<const void*>(small_.data()) : elements_.data(),
             nullptr};
  return OpOk();
}

// Rows without an order key or without a value take no part.
OpStatus SlotEncoder::EncodePairs(ScanColumn& column, ScanColumn& order, std::uint64_t* flags) {
  const std::uint64_t* keys = order.Numbers();
  const std::uint64_t* values = text_ ? nullptr : column.Numbers();
  for (std::size_t i = 0; i < static_cast<std::size_t>(column.data.rows); ++i) {
    elements_[2 * i] = elements_[2 * i + 1] = 0;
    if (!order.IsValid(i) || !column.IsValid(i) || !Wanted(flags[i])) continue;
    const std::uint64_t key =
        order_floating_ ? static_cast<std::uint64_t>(OrderedDouble(std::bit_cast<double>(keys[i])))
                        : keys[i];
    std::uint64_t value = text_ ? 0 : values[i];
    if (text_) {
      NM_ASSIGN_OR_RETURN(const TextStore::Found found, texts_.Intern(column.TextAt(i)));
      value = std::bit_cast<std::uint64_t>(found.text);
    }
    if (slot_.sparse) {
      sides_.push_back({static_cast<std::uint32_t>(i), 0, key, value});
      continue;
    }
    elements_[2 * i] = key;
    elements_[2 * i + 1] = value;
    flags[i] |= slot_.present;
  }
  source_ = {elements_.data(), nullptr};
  return OpOk();
}

}  // namespace nightmill
