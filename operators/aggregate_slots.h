// From the columns of a block to the slots of its records: what can be done once per dictionary
// entry is done so, rows then only gather. One thread per encoder.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "operators/aggregate_plan.h"
#include "operators/columnar/column_scan.h"
#include "operators/columnar/partitioned_aggregate_records.h"
#include "operators/slot_vector.h"

namespace nightmill {

// One input over the rows of the present block.
class ScanColumn {
 public:
  SlotColumn data;
  std::int64_t unit = -1;  // the dictionary does not change within a unit

  bool coded() const { return data.codes != nullptr; }
  bool has_nulls() const { return data.codes != nullptr || data.valid != nullptr; }
  bool IsValid(std::size_t row) const {
    return coded() ? data.codes[row] < data.dictionary_size : BitIsSet(data.valid, row);
  }
  std::string_view TextAt(std::size_t row) const {
    const auto* texts = static_cast<const std::string_view*>(data.values);
    return texts[coded() ? static_cast<std::size_t>(data.codes[row]) : row];
  }
  // 8 bytes a row: int64, or the bits of a double. Not for texts. Call Changed() after a new block.
  const std::uint64_t* Numbers();
  void Changed() { widened_ = false; }

 private:
  bool widened_ = false;
  std::vector<std::uint64_t> numbers_;
};

class SlotEncoder {
 public:
  SlotEncoder(const AggregatePlan& plan, std::size_t slot, TextStore& texts);

  // Tables over the dictionary of a coded text column; adds the slot's bit to `flags`, one per
  // code.
  OpStatus LoadDictionary(const ScanColumn& column, std::vector<std::uint64_t>& flags);
  // Prepares source() and sides(); sets the slot's flag bit for rows whose value is inline, but for
  // coded texts, whose bits came with the dictionary. `flags` holds all predicates by now.
  OpStatus Encode(ScanColumn& column, ScanColumn* order, std::uint64_t* flags);

  const SlotSource& source() const { return source_; }
  std::vector<SideRow>& sides() { return sides_; }

 private:
  struct TextForm {
    std::array<std::uint64_t, 2> words{};  // the inline element
    bool is_inline = false;
    SideRow side = {};  // without row
  };
  OpResult<TextForm> FormOf(std::string_view text);
  std::uint8_t Number(std::string_view text);
  void EncodeNumbers(ScanColumn& column, std::uint64_t* flags);
  void PackBeside(const ScanColumn& column, const std::uint64_t* flags);
  OpStatus EncodeTexts(const ScanColumn& column, std::uint64_t* flags);
  void EncodeCodes(const ScanColumn& column, const std::uint64_t* flags);
  OpStatus EncodePairs(ScanColumn& column, ScanColumn& order, std::uint64_t* flags);
  bool Wanted(std::uint64_t flags) const { return always_ || (flags & wheres_) != 0; }
  void SetElement(std::size_t at, const TextForm& form);

  const Slot& slot_;
  const PlanSlot& planned_;
  TextStore& texts_;
  const bool floating_, text_, order_floating_;
  bool always_ = false;  // some user has no `where`
  std::uint64_t wheres_ = 0;
  SlotSource source_;
  std::vector<SideRow> sides_;
  std::vector<std::uint64_t> elements_;  // per row, in the slot's width (1 byte: small_)
  std::vector<std::uint8_t> small_;
  std::vector<std::uint64_t> code_elements_;  // the same per code
  std::vector<std::uint8_t> code_small_;
  std::vector<TextForm> code_forms_;
  bool code_sides_ = false;  // some code travels beside
  std::unordered_map<std::string, std::uint8_t> numbers_;
};

// Doubles as integers of the same order (compute.md 2.8), and back.
std::int64_t OrderedDouble(double value);
double FromOrderedDouble(std::int64_t ordered);

}  // namespace nightmill
