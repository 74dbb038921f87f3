// Hash aggregation in two phases (compute.md 2.5), free of Parquet: phase A packs rows into records
// and spreads them over partitions by the top bits of the key's XXH64; phase B folds the records of
// one partition into group states that fit the cache. Records wait in memory until folded; callers
// fold early when the budget asks for it, so memory grows with groups and their distinct values.
// Every state is exact and order-free: the result does not depend on threads, blocks or rounds.
//
// A record holds the key, one flag bit per predicate and per present slot, and the slots. A slot
// that is rarely needed (sparse), or a value that its inline form cannot hold, travels in a side
// stream of the same partition and names its record by ordinal.
// Thread rule: a Program is immutable; RecordWriter and PartitionState belong to one thread at a
// time.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "operators/columnar/budget.h"
#include "operators/columnar/distinct.h"
#include "operators/columnar/exact_sum.h"
#include "operators/columnar/group_table.h"
#include "operators/expr/local_time.h"

namespace nightmill {

// How a value travels. Numbers are int64 or the bits of a double.
enum class SlotForm : std::uint8_t {
  kInt64,   // 8 bytes
  kInt48,   // 6 bytes: value - base
  kHex64,   // 8 bytes: 16 hex digits; other texts in the side stream
  kPacked,  // 16 bytes: a text of one PackedKind; others in the side stream
  kSmall,   // 1 byte: a SmallDomain number; others in the side stream
  kText,    // 8 bytes: StoredText
  kPair,    // 16 bytes: two numbers, order key and value of first and last
};
int WidthOf(SlotForm form);

struct Slot {
  SlotForm form = SlotForm::kInt64;
  bool sparse = false;        // never inline
  bool once = false;          // sparse, and repeats of a key and value may be left out
  std::uint64_t present = 0;  // flag bit; kRowBit if sparse, and for kSmall, whose byte tells
  int offset = 0;             // in the record
  std::int64_t base = 0;      // kInt48
  PackedKind kind = 0;        // of inline values: kHex64, kPacked
};

enum class StateKind : std::uint8_t {
  kMinMax,
  kMinText,
  kMaxText,
  kSumDouble,
  kSumInt,
  kMoments,
  kDistinct,
  kSmallDistinct,
  kDays,
  kFirst,
  kLast,
};
// Bytes of state: min and max | text | SumState | IntSum | MomentState | count | bits, count |
// pair.
std::size_t StateBytes(StateKind kind);

struct IntSum {
  std::uint64_t low = 0;
  std::int64_t high = 0;
  std::uint64_t count = 0;
};
struct OrderedValue {
  std::int64_t order = 0;
  std::int64_t value = 0;
};

enum class DayForm : std::uint8_t { kInstant, kWallTime, kDate };

// Updates one state by the values of one slot, for records that have all bits of `need`.
struct StateOp {
  StateKind kind = StateKind::kSumDouble;
  int slot = 0;
  std::uint64_t need = 0;
  std::size_t offset = 0;            // in the group's row
  std::uint64_t has = 0;             // bit set in the row's `has` word once there is a value
  std::uint32_t number = 0;          // of the op: tells its pairs apart in the DistinctSet
  bool floating = false;             // values are doubles; the order key of a pair never is
  bool text = false;                 // kFirst, kLast: values are StoredText
  DayForm days = DayForm::kInstant;  // kDays: what the numbers are
};

inline constexpr std::uint64_t kRowBit = 1;      // set in the flags of every record
inline constexpr std::uint64_t kNullKeyBit = 2;  // 8-byte keys only
inline constexpr int kFirstFreeBit = 2;

struct Program {
  bool text_key = false;  // a TextStore::Found (16 bytes) instead of 8 bytes
  std::vector<Slot> slots;
  int flag_bits = kFirstFreeBit;
  int flags_offset = 0, flags_bytes = 1, record_bytes = 16;
  std::vector<StateOp> ops;
  std::vector<int> counters;  // flag bit each counts; uint64 states from counter_offset on
  std::size_t counter_offset = 0, has_offset = 0, row_bytes = 0;
  std::vector<std::uint64_t> initial;              // a new group's row
  std::shared_ptr<const expr::LocalTimeMap> zone;  // kDays
  std::int64_t first_day = 0;                      // bit 0 of kDays

  // Sets offsets and sizes from slots, ops and counters.
  void Layout();
  // Of a record with what may travel beside it; rarely needed values are taken as absent.
  int most_bytes() const;
};

// XXH64 of a null 8-byte key: that of no bytes.
std::uint64_t NullKeyHash();

class RecordWriter;

// The groups of one partition.
class PartitionState {
 public:
  PartitionState(const Program& program, MemoryBudget& budget);
  ~PartitionState();
  PartitionState(PartitionState&&) noexcept;
  // Phase B: adds this partition's records of one writer.
  OpStatus Fold(const RecordWriter& writer, std::size_t partition);

  const GroupTable& groups() const { return groups_; }
  const WideStore& wide() const { return wide_; }
  // The group of the null 8-byte key, or -1.
  std::int64_t null_group() const { return null_group_; }
  // XXH64 of a group's key.
  std::uint64_t KeyHash(std::uint32_t group) const;

 private:
  struct Chunk;
  struct SideCursor;
  OpStatus MakeRoom(std::size_t rows);
  void FindGroups(Chunk& chunk);
  void Count(const Chunk& chunk);
  void FoldSide(std::size_t slot, SideCursor& cursor, std::uint32_t first_ordinal);
  void UpdateSlot(std::size_t slot, Chunk& chunk);
  void Update(const StateOp& op, Chunk& chunk);
  void UpdateNumbers(const StateOp& op, Chunk& chunk);
  void UpdateBits(const StateOp& op, Chunk& chunk);
  void UpdateDistinct(const StateOp& op, Chunk& chunk);
  void UpdateOrdered(const StateOp& op, Chunk& chunk);
  std::uint64_t AddPair(const StateOp& op, const Chunk& chunk, std::size_t i, std::uint64_t value);

  const Program& program_;
  GroupTable groups_;
  DistinctSet distinct_;
  WideStore wide_;
  std::int64_t null_group_ = -1;
  std::size_t distinct_ops_ = 0;
  std::unique_ptr<Chunk> chunk_, side_chunk_;
  BudgetHold hold_;
};

}  // namespace nightmill
