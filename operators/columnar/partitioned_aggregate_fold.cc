// Phase B: records of one partition become group states. Column at a time over chunks of records
// that stay in the L1 cache: keys to groups first, then one tight loop per state and slot.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "operators/columnar/partitioned_aggregate.h"
#include "operators/columnar/partitioned_aggregate_records.h"
#include "operators/expr/value.h"

namespace nightmill {
namespace {

constexpr std::size_t kChunk = 1024;
constexpr std::size_t kAhead = 12;  // how far prefetches run before their use

template <class T>
T LoadAs(const std::uint8_t* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

// Orders doubles as integers: -0.0 = 0.0, NaN greatest.
std::int64_t OrderedBits(std::uint64_t bits) {
  const auto v = std::bit_cast<std::int64_t>(expr::CanonicalDouble(std::bit_cast<double>(bits)));
  return v ^ ((v >> 63) & INT64_MAX);
}

}  // namespace

// Parallel arrays over the records of a chunk (or over the side entries of one slot for them).
struct PartitionState::Chunk {
  std::size_t n = 0;
  bool side = false;
  const std::uint8_t* records = nullptr;
  std::array<std::uint8_t*, kChunk> rows;  // of the groups
  std::array<std::uint32_t, kChunk> groups;
  std::array<std::uint64_t, kChunk> flags;
  std::array<std::uint64_t, kChunk> low;
  std::array<std::uint64_t, kChunk> high;
  std::array<PackedKind, kChunk> kinds;
  std::array<std::uint32_t, kChunk> hashes;
  std::array<std::uint64_t, kChunk> ordered;

  void LoadFlags(const Program& program) {
    const auto stride = static_cast<std::size_t>(program.record_bytes);
    const std::uint8_t* p = records + program.flags_offset;
    switch (program.flags_bytes) {
      case 1:
        for (std::size_t i = 0; i < n; ++i) flags[i] = p[i * stride];
        break;
      case 2:
        for (std::size_t i = 0; i < n; ++i) flags[i] = LoadAs<std::uint16_t>(p + i * stride);
        break;
      case 4:
        for (std::size_t i = 0; i < n; ++i) flags[i] = LoadAs<std::uint32_t>(p + i * stride);
        break;
      default:
        for (std::size_t i = 0; i < n; ++i) flags[i] = LoadAs<std::uint64_t>(p + i * stride);
    }
  }

  void LoadSlot(const Program& program, const Slot& slot) {
    const auto stride = static_cast<std::size_t>(program.record_bytes);
    const std::uint8_t* p = records + slot.offset;
    switch (slot.form) {
      case SlotForm::kInt64:
      case SlotForm::kHex64:
      case SlotForm::kText:
        for (std::size_t i = 0; i < n; ++i) low[i] = LoadAs<std::uint64_t>(p + i * stride);
        if (slot.form == SlotForm::kHex64) std::fill_n(high.begin(), n, 0);
        break;
      case SlotForm::kInt48:
        // The record goes on behind the slot: flags follow every kInt48.
        for (std::size_t i = 0; i < n; ++i) {
          const std::uint64_t v = LoadAs<std::uint32_t>(p + i * stride) |
                                  (std::uint64_t{LoadAs<std::uint16_t>(p + i * stride + 4)} << 32);
          low[i] = v + static_cast<std::uint64_t>(slot.base);
        }
        break;
      case SlotForm::kPacked:
      case SlotForm::kPair:
        for (std::size_t i = 0; i < n; ++i) {
          low[i] = LoadAs<std::uint64_t>(p + i * stride);
          high[i] = LoadAs<std::uint64_t>(p + i * stride + 8);
        }
        break;
      case SlotForm::kSmall:
        for (std::size_t i = 0; i < n; ++i) low[i] = p[i * stride];
        break;
    }
    if (slot.form == SlotForm::kHex64 || slot.form == SlotForm::kPacked) {
      std::fill_n(kinds.begin(), n, slot.kind);
    }
  }

  // Calls f(i, row) for records that have all bits of `need`.
  template <class F>
  void Each(std::uint64_t need, F f) const {
    for (std::size_t i = 0; i < n; ++i) {
      if ((flags[i] & need) == need) f(i, rows[i]);
    }
  }
};

// Where phase B stands in a side stream.
struct PartitionState::SideCursor {
  std::vector<RecordBlock> blocks;
  std::size_t block = 0, at = 0;

  const SideEntry* Peek() {
    while (block < blocks.size() && at == blocks[block].count) ++block, at = 0;
    if (block == blocks.size()) return nullptr;
    return reinterpret_cast<const SideEntry*>(blocks[block].records) + at;
  }
};

PartitionState::PartitionState(const Program& program, MemoryBudget& budget)
    : program_(program),
      groups_(program.row_bytes, program.initial),
      chunk_(std::make_unique<Chunk>()),
      side_chunk_(std::make_unique<Chunk>()),
      hold_(budget) {
  for (const StateOp& op : program_.ops) {
    distinct_ops_ += op.kind == StateKind::kDistinct || op.kind == StateKind::kSmallDistinct ||
                     op.kind == StateKind::kDays;
  }
  side_chunk_->side = true;
}
PartitionState::~PartitionState() = default;
PartitionState::PartitionState(PartitionState&&) noexcept = default;

OpStatus PartitionState::MakeRoom(std::size_t rows) {
  // Small steps are rounded up, so that tables grow a few times and not per chunk.
  const std::size_t pairs = rows * distinct_ops_;
  const std::int64_t bytes = groups_.BytesFor(rows) + distinct_.BytesFor(pairs) + wide_.bytes();
  if (bytes > hold_.held()) {
    NM_RETURN_IF_ERROR(hold_.Resize(bytes, "groups and distinct values"));
  }
  groups_.Reserve(rows);
  distinct_.Reserve(pairs);
  return hold_.Resize(groups_.bytes() + distinct_.bytes() + wide_.bytes(), "groups");
}

std::uint64_t PartitionState::KeyHash(std::uint32_t group) const {
  const auto key = LoadAs<std::uint64_t>(groups_.row(group));
  if (program_.text_key) return key;
  return group == null_group_ ? NullKeyHash() : HashKey64(key);
}

void PartitionState::FindGroups(Chunk& chunk) {
  const auto stride = static_cast<std::size_t>(program_.record_bytes);
  const std::uint8_t* p = chunk.records;
  if (program_.text_key) {
    for (std::size_t i = 0; i < chunk.n; ++i) {
      chunk.groups[i] = groups_.FindOrAdd(LoadAs<TextStore::Found>(p + i * stride));
    }
  } else {
    for (std::size_t i = 0; i < chunk.n; ++i) {
      chunk.low[i] = LoadAs<std::uint64_t>(p + i * stride);
      chunk.hashes[i] = TableHash(chunk.low[i]);
    }
    for (std::size_t i = 0; i < chunk.n; ++i) {
      if (i + kAhead < chunk.n) groups_.Prefetch(chunk.hashes[i + kAhead]);
      if ((chunk.flags[i] & kNullKeyBit) != 0) [[unlikely]] {
        if (null_group_ < 0) null_group_ = groups_.AddUnkeyed();
        chunk.groups[i] = static_cast<std::uint32_t>(null_group_);
      } else {
        chunk.groups[i] = groups_.FindOrAdd(chunk.hashes[i], chunk.low[i]);
      }
    }
  }
  for (std::size_t i = 0; i < chunk.n; ++i) chunk.rows[i] = groups_.row(chunk.groups[i]);
}

void PartitionState::Count(const Chunk& chunk) {
  std::size_t offset = program_.counter_offset;
  for (const int bit : program_.counters) {
    for (std::size_t i = 0; i < chunk.n; ++i) {
      std::uint8_t* const at = chunk.rows[i] + offset;
      *reinterpret_cast<std::uint64_t*>(at) += (chunk.flags[i] >> bit) & 1;
    }
    offset += sizeof(std::uint64_t);
  }
}

std::uint64_t PartitionState::AddPair(const StateOp& op, const Chunk& chunk, std::size_t i,
                                      std::uint64_t value) {
  const std::uint32_t tag = op.number << 16;
  const std::uint32_t hash = DistinctSet::Hash(chunk.groups[i], tag, value, 0);
  return distinct_.Add(hash, chunk.groups[i], tag, value, 0) ? 1 : 0;
}

void PartitionState::Update(const StateOp& op, Chunk& chunk) {
  switch (op.kind) {
    case StateKind::kMinMax:
    case StateKind::kSumDouble:
    case StateKind::kSumInt:
    case StateKind::kMoments:
      return UpdateNumbers(op, chunk);
    case StateKind::kMinText:
    case StateKind::kMaxText:
      return chunk.Each(op.need, [&](std::size_t i, std::uint8_t* row) {
        auto* best = reinterpret_cast<StoredText*>(row + op.offset);
        const auto text = std::bit_cast<StoredText>(chunk.low[i]);
        const bool better =
            *best == nullptr || (op.kind == StateKind::kMinText ? TextOf(text) < TextOf(*best)
                                                                : TextOf(text) > TextOf(*best));
        if (better) *best = text;
      });
    case StateKind::kDistinct:
      return UpdateDistinct(op, chunk);
    case StateKind::kSmallDistinct:
      // The overflow of a small domain is a column of packed texts.
      return chunk.side ? UpdateDistinct(op, chunk) : UpdateBits(op, chunk);
    case StateKind::kDays:
      return UpdateBits(op, chunk);
    case StateKind::kFirst:
    case StateKind::kLast:
      return UpdateOrdered(op, chunk);
  }
}

void PartitionState::UpdateNumbers(const StateOp& op, Chunk& chunk) {
  if (op.kind == StateKind::kMinMax) {
    if (op.floating) {
      for (std::size_t i = 0; i < chunk.n; ++i) {
        chunk.ordered[i] = static_cast<std::uint64_t>(OrderedBits(chunk.low[i]));
      }
    }
    const auto& values = op.floating ? chunk.ordered : chunk.low;
    chunk.Each(op.need, [&](std::size_t i, std::uint8_t* row) {
      auto* v = reinterpret_cast<std::int64_t*>(row + op.offset);
      const auto x = static_cast<std::int64_t>(values[i]);
      v[0] = std::min(v[0], x);
      v[1] = std::max(v[1], x);
      *reinterpret_cast<std::uint64_t*>(row + program_.has_offset) |= op.has;
    });
  } else if (op.kind == StateKind::kSumDouble) {
    chunk.Each(op.need, [&](std::size_t i, std::uint8_t* row) {
      AddToSum(*reinterpret_cast<SumState*>(row + op.offset), std::bit_cast<double>(chunk.low[i]),
               wide_);
    });
  } else if (op.kind == StateKind::kSumInt) {
    chunk.Each(op.need, [&](std::size_t i, std::uint8_t* row) {
      auto* sum = reinterpret_cast<IntSum*>(row + op.offset);
      const std::uint64_t v = chunk.low[i];
      const bool carry = __builtin_add_overflow(sum->low, v, &sum->low);
      sum->high += (static_cast<std::int64_t>(v) >> 63) + (carry ? 1 : 0);
      ++sum->count;
    });
  } else {
    chunk.Each(op.need, [&](std::size_t i, std::uint8_t* row) {
      const double x = op.floating ? std::bit_cast<double>(chunk.low[i])
                                   : static_cast<double>(static_cast<std::int64_t>(chunk.low[i]));
      AddToMoments(*reinterpret_cast<MomentState*>(row + op.offset), x, wide_);
    });
  }
}

// Values of a small domain and days of the window are bits; what lies outside is counted by pairs.
void PartitionState::UpdateBits(const StateOp& op, Chunk& chunk) {
  if (op.kind == StateKind::kSmallDistinct) {
    return chunk.Each(op.need, [&](std::size_t i, std::uint8_t* row) {
      if (chunk.low[i] >= SmallDomain::kSize) return;
      *reinterpret_cast<std::uint64_t*>(row + op.offset) |= 1ull << chunk.low[i];
    });
  }
  chunk.Each(op.need, [&](std::size_t i, std::uint8_t* row) {
    auto* v = reinterpret_cast<std::uint64_t*>(row + op.offset);
    const auto x = static_cast<std::int64_t>(chunk.low[i]);
    const std::int64_t day = op.days == DayForm::kDate       ? x
                             : op.days == DayForm::kWallTime ? expr::FloorDays(x)
                                                             : program_.zone->DayOf(x);
    const auto bit = static_cast<std::uint64_t>(day - program_.first_day);
    if (bit < 64) {
      v[0] |= 1ull << bit;
    } else {
      v[1] += AddPair(op, chunk, i, static_cast<std::uint64_t>(day));
    }
  });
}

void PartitionState::UpdateDistinct(const StateOp& op, Chunk& chunk) {
  const SlotForm form = program_.slots[static_cast<std::size_t>(op.slot)].form;
  if (form == SlotForm::kInt64 || form == SlotForm::kInt48) {
    std::fill_n(chunk.high.begin(), chunk.n, 0);
    std::fill_n(chunk.kinds.begin(), chunk.n, 0);
    if (op.floating) {
      for (std::size_t i = 0; i < chunk.n; ++i) {
        const double v = expr::CanonicalDouble(std::bit_cast<double>(chunk.low[i]));
        chunk.low[i] = std::bit_cast<std::uint64_t>(v);
      }
    }
  }
  const std::uint32_t tag = op.number << 16;
  for (std::size_t i = 0; i < chunk.n; ++i) {
    chunk.hashes[i] =
        DistinctSet::Hash(chunk.groups[i], tag | chunk.kinds[i], chunk.low[i], chunk.high[i]);
  }
  // The count of a small domain stands behind its bits.
  const std::size_t offset = op.offset + (op.kind == StateKind::kSmallDistinct ? 8 : 0);
  for (std::size_t i = 0; i < chunk.n; ++i) {
    if (i + kAhead < chunk.n) distinct_.Prefetch(chunk.hashes[i + kAhead]);
    if ((chunk.flags[i] & op.need) != op.need) continue;
    auto* count = reinterpret_cast<std::uint64_t*>(chunk.rows[i] + offset);
    *count += distinct_.Add(chunk.hashes[i], chunk.groups[i], tag | chunk.kinds[i], chunk.low[i],
                            chunk.high[i])
                  ? 1
                  : 0;
  }
}

// The pair with the smallest (kFirst) or greatest (kLast) order key; of equal ones by the value.
void PartitionState::UpdateOrdered(const StateOp& op, Chunk& chunk) {
  const bool first = op.kind == StateKind::kFirst;
  const auto compare_values = [&](std::uint64_t a, std::uint64_t b) {
    if (op.text) {
      return TextOf(std::bit_cast<StoredText>(a)).compare(TextOf(std::bit_cast<StoredText>(b)));
    }
    const std::int64_t x = op.floating ? OrderedBits(a) : static_cast<std::int64_t>(a);
    const std::int64_t y = op.floating ? OrderedBits(b) : static_cast<std::int64_t>(b);
    return x < y ? -1 : x > y ? 1 : 0;
  };
  chunk.Each(op.need, [&](std::size_t i, std::uint8_t* row) {
    auto* best = reinterpret_cast<OrderedValue*>(row + op.offset);
    auto* has = reinterpret_cast<std::uint64_t*>(row + program_.has_offset);
    const auto order = static_cast<std::int64_t>(chunk.low[i]);
    if ((*has & op.has) != 0) {
      int compared = order < best->order ? -1 : order > best->order ? 1 : 0;
      if (compared == 0) {
        compared = compare_values(chunk.high[i], static_cast<std::uint64_t>(best->value));
      }
      if (first ? compared >= 0 : compared <= 0) return;
    }
    *has |= op.has;
    *best = {order, static_cast<std::int64_t>(chunk.high[i])};
  });
}

void PartitionState::UpdateSlot(std::size_t slot, Chunk& chunk) {
  for (const StateOp& op : program_.ops) {
    if (static_cast<std::size_t>(op.slot) == slot) Update(op, chunk);
  }
}

// Side entries of one slot for the records of the present chunk.
void PartitionState::FoldSide(std::size_t slot, SideCursor& cursor, std::uint32_t first_ordinal) {
  const Chunk& main = *chunk_;
  Chunk& side = *side_chunk_;
  const std::uint64_t present = program_.slots[slot].present;
  side.n = 0;
  while (const SideEntry* entry = cursor.Peek()) {
    const std::size_t at = entry->ordinal - first_ordinal;
    if (at >= main.n) break;
    const std::size_t k = side.n++;
    side.rows[k] = main.rows[at];
    side.groups[k] = main.groups[at];
    side.flags[k] = main.flags[at] | present;
    side.low[k] = entry->low;
    side.high[k] = entry->high;
    side.kinds[k] = entry->kind;
    ++cursor.at;
  }
  if (side.n > 0) UpdateSlot(slot, side);
}

OpStatus PartitionState::Fold(const RecordWriter& writer, std::size_t partition) {
  const auto stride = static_cast<std::size_t>(program_.record_bytes);
  std::vector<SideCursor> cursors(program_.slots.size());
  for (std::size_t s = 0; s < cursors.size(); ++s) {
    cursors[s].blocks = writer.side(partition, s).Blocks(sizeof(SideEntry));
  }
  std::uint32_t ordinal = 0;
  for (const RecordBlock& block : writer.chain(partition).Blocks(stride)) {
    for (std::size_t at = 0; at < block.count; at += kChunk) {
      Chunk& chunk = *chunk_;
      chunk.n = std::min(kChunk, block.count - at);
      chunk.records = block.records + at * stride;
      NM_RETURN_IF_ERROR(MakeRoom(chunk.n));
      chunk.LoadFlags(program_);
      FindGroups(chunk);
      Count(chunk);
      for (std::size_t s = 0; s < program_.slots.size(); ++s) {
        if (!program_.slots[s].sparse) {
          chunk.LoadSlot(program_, program_.slots[s]);
          UpdateSlot(s, chunk);
        }
        if (!cursors[s].blocks.empty()) FoldSide(s, cursors[s], ordinal);
      }
      ordinal += static_cast<std::uint32_t>(chunk.n);
    }
  }
  return OpOk();
}

}  // namespace nightmill
