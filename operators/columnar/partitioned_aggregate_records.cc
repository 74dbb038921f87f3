// Phase A: rows become records in the partitions of their keys.
#include "operators/columnar/partitioned_aggregate_records.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>

#include "core/base/check.h"
#include "operators/columnar/partitioned_aggregate.h"

namespace nightmill {
namespace {

constexpr std::size_t kSlabBytes = 2u << 20;  // a huge page
constexpr std::size_t kBlockBytes = 64u << 10;
constexpr std::size_t kSideBlockBytes = 8u << 10;
constexpr std::int32_t kSliceRows = 512;  // staged records stay in the L1 cache

template <int kBytes>
struct Element {
  std::uint8_t bytes[static_cast<std::size_t>(kBytes)];
};

template <int kBytes>
void StageElements(const SlotSource& source, std::int32_t first, std::int32_t rows,
                   std::uint8_t* to, std::size_t stride) {
  const auto* values = static_cast<const Element<kBytes>*>(source.values);
  if (source.codes == nullptr) {
    for (std::int32_t i = 0; i < rows; ++i, to += stride) {
      std::memcpy(to, &values[first + i], kBytes);
    }
    return;
  }
  const std::int32_t* codes = source.codes + first;
  for (std::int32_t i = 0; i < rows; ++i, to += stride) {
    std::memcpy(to, &values[codes[i]], kBytes);
  }
}

// 8-byte elements cut to their lower six bytes.
void StageInt48(const SlotSource& source, std::int32_t first, std::int32_t rows, std::uint8_t* to,
                std::size_t stride) {
  const auto* values = static_cast<const std::uint64_t*>(source.values);
  for (std::int32_t i = 0; i < rows; ++i, to += stride) {
    const std::uint64_t v = values[source.codes == nullptr ? first + i : source.codes[first + i]];
    std::memcpy(to, &v, 6);
  }
}

void StageFlags(const std::uint64_t* flags, std::int32_t rows, int bytes, std::uint8_t* to,
                std::size_t stride) {
  for (std::int32_t i = 0; i < rows; ++i, to += stride) {
    if (bytes == 1) {
      *to = static_cast<std::uint8_t>(flags[i]);
    } else {
      std::memcpy(to, &flags[i], static_cast<std::size_t>(bytes));
    }
  }
}

}  // namespace

int WidthOf(SlotForm form) {
  switch (form) {
    case SlotForm::kInt64:
    case SlotForm::kHex64:
    case SlotForm::kText:
      return 8;
    case SlotForm::kInt48:
      return 6;
    case SlotForm::kPacked:
    case SlotForm::kPair:
      return 16;
    case SlotForm::kSmall:
      return 1;
  }
  return 0;
}

std::size_t StateBytes(StateKind kind) {
  switch (kind) {
    case StateKind::kMinMax:
    case StateKind::kSmallDistinct:
    case StateKind::kDays:
    case StateKind::kFirst:
    case StateKind::kLast:
      return 16;
    case StateKind::kMinText:
    case StateKind::kMaxText:
    case StateKind::kDistinct:
      return 8;
    case StateKind::kSumDouble:
      return sizeof(SumState);
    case StateKind::kSumInt:
      return sizeof(IntSum);
    case StateKind::kMoments:
      return sizeof(MomentState);
  }
  return 0;
}

std::uint64_t NullKeyHash() {
  static const std::uint64_t hash = HashKeyBytes({});
  return hash;
}

void Program::Layout() {
  int at = text_key ? 16 : 8;
  // Wide slots first, so that few of them straddle cache lines.
  for (const int width : {16, 8, 6, 1}) {
    for (Slot& slot : slots) {
      if (slot.sparse || WidthOf(slot.form) != width) continue;
      slot.offset = at;
      at += width;
    }
  }
  flags_offset = at;
  flags_bytes = flag_bits <= 8 ? 1 : flag_bits <= 16 ? 2 : flag_bits <= 32 ? 4 : 8;
  record_bytes = (at + flags_bytes + 7) & ~7;
  CHECK(flag_bits <= 64);
  std::size_t row = text_key ? 16 : 8;
  has_offset = row;
  row += 8;
  counter_offset = row;
  row += counters.size() * 8;
  for (StateOp& op : ops) {
    op.offset = row;
    row += StateBytes(op.kind);
  }
  row_bytes = row;
  initial.assign(row_bytes / 8, 0);
}

int Program::most_bytes() const {
  const auto beside =
      std::count_if(slots.begin(), slots.end(), [](const Slot& slot) { return slot.once; });
  return record_bytes + static_cast<int>(beside) * static_cast<int>(sizeof(SideEntry));
}

void RecordArena::Free::operator()(std::uint8_t* p) const { std::free(p); }

OpResult<std::uint8_t*> RecordArena::Allocate(std::size_t bytes) {
  if (bytes > left_) {
    const auto held = hold_.held() + static_cast<std::int64_t>(kSlabBytes);
    NM_RETURN_IF_ERROR(hold_.Resize(held, "records waiting to be aggregated"));
    auto* slab = static_cast<std::uint8_t*>(std::aligned_alloc(kSlabBytes, kSlabBytes));
    CHECK(slab != nullptr);
    // Only a hint: with small pages the spread over partitions costs more page faults.
    (void)madvise(slab, kSlabBytes, MADV_HUGEPAGE);
    slabs_.emplace_back(slab);
    at_ = slab;
    left_ = kSlabBytes;
  }
  std::uint8_t* const block = at_;
  at_ += bytes;
  left_ -= bytes;
  return block;
}

void RecordArena::Clear() {
  slabs_.clear();
  left_ = 0;
  (void)hold_.Resize(0, "");
}

OpStatus RecordChain::NewBlock(RecordArena& arena, std::size_t block_bytes,
                               std::size_t record_bytes) {
  NM_ASSIGN_OR_RETURN(at, arena.Allocate(block_bytes));
  per_block_ = block_bytes / record_bytes;
  end = at + per_block_ * record_bytes;
  blocks_.push_back(at);
  return OpOk();
}

std::vector<RecordBlock> RecordChain::Blocks(std::size_t record_bytes) const {
  std::vector<RecordBlock> blocks;
  for (const std::uint8_t* block : blocks_) blocks.push_back({block, per_block_});
  if (!blocks.empty()) {
    blocks.back().count = static_cast<std::size_t>(at - blocks_.back()) / record_bytes;
  }
  return blocks;
}

RecordWriter::RecordWriter(const Program& program, int partition_bits, MemoryBudget& budget)
    : program_(program),
      shift_(64 - partition_bits),
      arena_(budget),
      chains_(std::size_t{1} << partition_bits),
      sides_(chains_.size() * program.slots.size()),
      // A record may be read as whole words past its end.
      staging_(static_cast<std::size_t>(kSliceRows * program.record_bytes) + 16, 0),
      partitions_(kSliceRows),
      ordinals_(kSliceRows),
      side_at_(program.slots.size()) {
  for (const Slot& slot : program.slots) {
    has_sides_ = has_sides_ || slot.sparse || slot.form == SlotForm::kInt48 ||
                 slot.form == SlotForm::kHex64 || slot.form == SlotForm::kPacked ||
                 slot.form == SlotForm::kSmall;
  }
}

void RecordWriter::Clear() {
  for (RecordChain& chain : chains_) chain.Clear();
  for (RecordChain& side : sides_) side.Clear();
  arena_.Clear();
}

OpStatus RecordWriter::Append(const RowBlock& block) {
  std::fill(side_at_.begin(), side_at_.end(), 0);
  for (std::int32_t first = 0; first < block.rows; first += kSliceRows) {
    NM_RETURN_IF_ERROR(AppendSlice(block, first, std::min(kSliceRows, block.rows - first)));
  }
  return OpOk();
}

OpStatus RecordWriter::AppendSlice(const RowBlock& block, std::int32_t first, std::int32_t rows) {
  Stage(block, first, rows);
  OpStatus scattered;
  switch (program_.record_bytes / 8) {
    case 2:
      scattered = Scatter<2>(block, first, rows);
      break;
    case 3:
      scattered = Scatter<3>(block, first, rows);
      break;
    case 4:
      scattered = Scatter<4>(block, first, rows);
      break;
    case 5:
      scattered = Scatter<5>(block, first, rows);
      break;
    case 6:
      scattered = Scatter<6>(block, first, rows);
      break;
    default:
      scattered = Scatter<0>(block, first, rows);
      break;
  }
  NM_RETURN_IF_ERROR(scattered);
  return has_sides_ ? AppendSides(block, first, rows) : OpOk();
}

void RecordWriter::Stage(const RowBlock& block, std::int32_t first, std::int32_t rows) {
  const auto stride = static_cast<std::size_t>(program_.record_bytes);
  std::uint8_t* const to = staging_.data();
  if (program_.text_key) {
    StageElements<16>(block.key, first, rows, to, stride);
  } else {
    StageElements<8>(block.key, first, rows, to, stride);
  }
  for (std::size_t s = 0; s < program_.slots.size(); ++s) {
    const Slot& slot = program_.slots[s];
    if (slot.sparse) continue;
    std::uint8_t* const at = to + slot.offset;
    switch (WidthOf(slot.form)) {
      case 1:
        StageElements<1>(block.slots[s], first, rows, at, stride);
        break;
      case 6:
        StageInt48(block.slots[s], first, rows, at, stride);
        break;
      case 8:
        StageElements<8>(block.slots[s], first, rows, at, stride);
        break;
      default:
        StageElements<16>(block.slots[s], first, rows, at, stride);
        break;
    }
  }
  StageFlags(block.flags + first, rows, program_.flags_bytes, to + program_.flags_offset, stride);
}

template <int kWords>
OpStatus RecordWriter::Scatter(const RowBlock& block, std::int32_t first, std::int32_t rows) {
  const auto bytes = kWords > 0 ? static_cast<std::size_t>(kWords) * 8
                                : static_cast<std::size_t>(program_.record_bytes);
  const std::uint8_t* from = staging_.data();
  const std::uint64_t null_hash = NullKeyHash();
  const bool one = shift_ == 64;
  for (std::int32_t i = 0; i < rows; ++i, from += bytes) {
    const auto k = static_cast<std::size_t>(i);
    if (block.selected != nullptr && block.selected[first + i] == 0) {
      partitions_[k] = ~0u;
      continue;
    }
    std::uint64_t key;
    std::memcpy(&key, from, sizeof key);
    std::uint64_t hash = key;  // a text key begins with its hash
    if (!program_.text_key) {
      hash = (block.flags[first + i] & kNullKeyBit) != 0 ? null_hash : HashKey64(key);
    }
    const std::size_t partition = one ? 0 : hash >> shift_;
    RecordChain& chain = chains_[partition];
    if (chain.at == chain.end) [[unlikely]] {
      NM_RETURN_IF_ERROR(chain.NewBlock(arena_, kBlockBytes, bytes));
    }
    std::memcpy(chain.at, from, bytes);
    chain.at += bytes;
    partitions_[k] = static_cast<std::uint32_t>(partition);
    ordinals_[k] = chain.count++;
  }
  return OpOk();
}

OpStatus RecordWriter::AppendSides(const RowBlock& block, std::int32_t first, std::int32_t rows) {
  const auto begin = static_cast<std::uint32_t>(first);
  const std::uint32_t end = begin + static_cast<std::uint32_t>(rows);
  for (std::size_t s = 0; s < block.sides.size(); ++s) {
    const std::vector<SideRow>& side = block.sides[s];
    std::size_t& at = side_at_[s];
    for (; at < side.size() && side[at].row < end; ++at) {
      const SideRow& row = side[at];
      const std::uint32_t partition = partitions_[row.row - begin];
      if (partition == ~0u) continue;
      RecordChain& chain = sides_[partition * program_.slots.size() + s];
      if (chain.at == chain.end) {
        NM_RETURN_IF_ERROR(chain.NewBlock(arena_, kSideBlockBytes, sizeof(SideEntry)));
      }
      const SideEntry entry{ordinals_[row.row - begin], row.kind, row.low, row.high};
      std::memcpy(chain.at, &entry, sizeof entry);
      chain.at += sizeof entry;
      ++chain.count;
    }
  }
  return OpOk();
}

}  // namespace nightmill
