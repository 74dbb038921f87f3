// The page walk (compute.md 2.4, R1-R3 in one): pages are taken from libparquet one by one; on
// pages of dictionary indices the indices themselves are decoded, on others the values. It needs no
// encoding_stats, costs what ReadBatchWithDictionary costs, and serves chunks that fall back
// half-way.
#include "operators/columnar/column_scan.h"

#include <fmt/format.h>
#include <parquet/column_page.h>
#include <parquet/column_reader.h>
#include <parquet/encoding.h>
#include <parquet/file_reader.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <type_traits>

#include "operators/columnar/budget_pool.h"
#include "operators/columnar/parquet_file.h"
#include "operators/columnar/slot_convert.h"

namespace nightmill {
namespace {

constexpr std::size_t kBlock = static_cast<std::size_t>(kBlockRows);
constexpr std::size_t kBlockWords = kBlock / 64;

// Moves `dense` values at the front of `slots` to the rows that are valid, from the back, and gives
// the others `null_value`. `valid` covers `rows` rows from bit `first`.
template <class Slot>
void Spread(Slot* slots, std::size_t dense, std::size_t rows, const std::uint64_t* valid,
            std::size_t first, Slot null_value) {
  if (dense == rows) return;
  for (std::size_t i = rows; i-- > 0;) {
    slots[i] = BitIsSet(valid, first + i) ? slots[--dense] : null_value;
  }
}

bool IsDictionaryEncoding(parquet::Encoding::type encoding) {
  return encoding == parquet::Encoding::PLAIN_DICTIONARY ||
         encoding == parquet::Encoding::RLE_DICTIONARY;
}

// What all columns of a scan share.
struct ScanShared {
  ScanShared(MemoryBudget& memory, std::shared_ptr<const InputFile> file)
      : budget(memory), pool(memory), input(std::make_shared<ArrowInput>(std::move(file), &pool)) {}

  MemoryBudget& budget;
  BudgetPool pool;
  std::shared_ptr<ArrowInput> input;
  std::unique_ptr<parquet::ParquetFileReader> reader;
  std::shared_ptr<parquet::RowGroupReader> group;
  std::int64_t truncated = 0;
  std::string path;
  int row_group = 0;
};

// A column that this file does not have: all null.
class AbsentColumn final : public ColumnScan {
 public:
  AbsentColumn(const ColumnType& type, std::int64_t rows)
      : left_(rows), zeros_(kBlock * SlotBytes(type.kind) / sizeof(Int128) + 1) {}

  OpResult<Block> Next() override {
    Block block;
    block.rows = static_cast<std::int32_t>(std::min<std::int64_t>(left_, kBlockRows));
    block.valid = none_.data();
    block.values = zeros_.data();
    left_ -= block.rows;
    return block;
  }
  OpStatus Skip(std::int64_t rows) override {
    left_ -= std::min(left_, rows);
    return OpOk();
  }
  DictView dictionary() const override { return {}; }

 private:
  std::int64_t left_;
  std::vector<Int128> zeros_;
  std::vector<std::uint64_t> none_ = std::vector<std::uint64_t>(kBlockWords);
};

template <class DType>
class PageColumn final : public ColumnScan {
 public:
  using T = typename DType::c_type;

  PageColumn(ScanShared& shared, const ParquetLeaf& leaf, const ColumnWant& want, std::int64_t rows)
      : shared_(shared),
        name_(leaf.field.name),
        descriptor_(leaf.descriptor),
        plan_(PlanConversion(leaf, want.as)),
        identity_(IsIdentity<DType>(plan_)),
        want_codes_(want.codes),
        slot_bytes_(SlotBytes(want.as.kind)),
        max_level_(descriptor_->max_definition_level()),
        left_(rows),
        hold_(shared.budget) {
    plan_.truncated = &shared.truncated;
    pages_ = shared.group->GetColumnPageReader(want.column);
    pages_->set_data_page_filter([this](const parquet::DataPageStats& page) {
      if (page.num_values > skip_) return false;
      skip_ -= page.num_values;
      ++page_number_;
      return true;
    });
    values_.resize(kBlock * slot_bytes_ / sizeof(Int128) + 1);
    if (!identity_) raw_ = std::make_unique<T[]>(kBlock);
    if (max_level_ > 0) levels_.resize(kBlock);
  }

  OpResult<Block> Next() override {
    return Guarded([this]() -> OpResult<Block> { return ReadBlock(); });
  }

  OpStatus Skip(std::int64_t rows) override {
    return Guarded([this, rows]() -> OpStatus {
      skip_ = std::min(rows, left_);
      left_ -= skip_;
      while (skip_ > 0) {
        if (page_left_ == 0) {
          NM_RETURN_IF_ERROR(LoadPage());
          continue;  // the filter may have passed over whole pages
        }
        // A part of a page is decoded and forgotten.
        StartBlock();
        const auto n =
            static_cast<std::int32_t>(std::min({skip_, page_left_, std::int64_t{kBlockRows}}));
        NM_RETURN_IF_ERROR(ReadFromPage(n));
        skip_ -= n;
      }
      return OpOk();
    });
  }

  DictView dictionary() const override { return dict_view_; }

 private:
  template <class F>
  auto Guarded(F&& work) -> decltype(work()) {
    auto result = GuardParquet(work);
    if (result.ok()) return result;
    // A failed read of ours is behind whatever libparquet made of it.
    OperatorError error = shared_.input->error() ? *shared_.input->error() : result.error();
    error.file = shared_.path;
    error.row_group = shared_.row_group;
    error.column = name_;
    error.page = page_number_;
    return error;
  }

  void StartBlock() {
    filled_ = 0;
    settled_ = 0;
    form_ = want_codes_ ? Form::kCodes : Form::kValues;
    form_fixed_ = false;
    nulls_ = false;
    arena_.clear();
  }

  OpResult<Block> ReadBlock() {
    StartBlock();
    const auto rows = static_cast<std::int32_t>(std::min<std::int64_t>(left_, kBlockRows));
    while (filled_ < rows) {
      if (page_left_ == 0) {
        Settle();
        NM_RETURN_IF_ERROR(LoadPage());
        continue;
      }
      const auto n = static_cast<std::int32_t>(std::min<std::int64_t>(rows - filled_, page_left_));
      NM_RETURN_IF_ERROR(ReadFromPage(n));
    }
    left_ -= rows;
    Block block;
    block.rows = rows;
    block.valid = nulls_ ? valid_.data() : nullptr;
    block.form = form_;
    block.dict = dict_view_;
    if (form_ == Form::kCodes) {
      block.codes = codes_.data();
    } else {
      block.values = values_.data();
    }
    return block;
  }

  // Decodes the next n rows of the current page to position filled_ of the block.
  OpStatus ReadFromPage(std::int32_t n) {
    const std::int32_t dense = ReadLevels(n);
    if (page_is_dictionary_) {
      if (!form_fixed_ && want_codes_) EnsureCodes();
      form_fixed_ = true;
      NM_RETURN_IF_ERROR(ReadIndices(n, dense));
    } else {
      if (form_ == Form::kCodes && form_fixed_) CodesToValues();
      form_ = Form::kValues;
      form_fixed_ = true;
      NM_RETURN_IF_ERROR(ReadValues(n, dense));
    }
    filled_ += n;
    page_left_ -= n;
    return OpOk();
  }

  void EnsureCodes() {
    form_ = Form::kCodes;
    if (codes_.empty()) codes_.resize(kBlock);
  }

  // Definition levels of the next n rows into the validity bitmap; returns how many have a value.
  std::int32_t ReadLevels(std::int32_t n) {
    if (max_level_ == 0) {
      if (nulls_) MarkValid(n);
      return n;
    }
    if (level_decoder_.Decode(n, levels_.data()) != n) {
      throw parquet::ParquetException("a page has fewer definition levels than rows");
    }
    std::int32_t present = 0;
    for (std::int32_t i = 0; i < n; ++i) {
      present += static_cast<std::int32_t>(levels_[static_cast<std::size_t>(i)] == max_level_);
    }
    if (present == n) {
      if (nulls_) MarkValid(n);
      return n;
    }
    if (!nulls_) {
      // Rows before this batch had values: nothing was noted for them yet.
      valid_.assign(kBlockWords, 0);
      nulls_ = true;
      const std::int32_t before = std::exchange(filled_, 0);
      MarkValid(before);
      filled_ = before;
    }
    for (std::int32_t i = 0; i < n; ++i) {
      const auto at = static_cast<std::size_t>(filled_ + i);
      const std::uint64_t bit = levels_[static_cast<std::size_t>(i)] == max_level_ ? 1 : 0;
      valid_[at >> 6] |= bit << (at & 63);
    }
    return present;
  }

  void MarkValid(std::int32_t n) {
    for (std::int32_t i = 0; i < n; ++i) {
      const auto at = static_cast<std::size_t>(filled_ + i);
      valid_[at >> 6] |= std::uint64_t{1} << (at & 63);
    }
  }

  OpStatus ReadIndices(std::int32_t n, std::int32_t dense) {
    std::int32_t* out;
    if (form_ == Form::kCodes) {
      out = codes_.data() + filled_;
    } else {
      if (indices_.empty()) indices_.resize(kBlock);
      out = indices_.data();
    }
    if (dict_decoder_->DecodeIndices(dense, out) != dense) {
      throw parquet::ParquetException("a page has fewer values than it claims");
    }
    // libparquet does not test indices; a negative one is large as unsigned.
    std::uint32_t max = 0;
    for (std::int32_t i = 0; i < dense; ++i) {
      max = std::max(max, static_cast<std::uint32_t>(out[i]));
    }
    if (dense > 0 && max >= static_cast<std::uint32_t>(dict_view_.size)) {
      return BadInput(
          fmt::format("a page has code {} of a dictionary with {} entries", max, dict_view_.size),
          "corrupt", "write the file again");
    }
    if (form_ == Form::kCodes) {
      Spread(out, static_cast<std::size_t>(dense), static_cast<std::size_t>(n), ValidOrNull(),
             static_cast<std::size_t>(filled_), dict_view_.size);
      return OpOk();
    }
    WithSlot([&]<class Slot>(Slot*) {
      Slot* slots = SlotsAt<Slot>(filled_);
      const Slot* dict = dict_view_.template As<Slot>();
      for (std::int32_t i = 0; i < dense; ++i) slots[i] = dict[out[i]];
      Spread(slots, static_cast<std::size_t>(dense), static_cast<std::size_t>(n), ValidOrNull(),
             static_cast<std::size_t>(filled_), Slot{});
    });
    if (settled_ == filled_) settled_ = filled_ + n;  // dictionary entries outlive the page
    return OpOk();
  }

  OpStatus ReadValues(std::int32_t n, std::int32_t dense) {
    T* raw = identity_ ? reinterpret_cast<T*>(ByteAt(filled_)) : raw_.get();
    // One call, since some decoders reuse the bytes behind byte arrays in the next one.
    if (decoder_->Decode(raw, dense) != dense) {
      throw parquet::ParquetException("a page has fewer values than it claims");
    }
    if (!identity_) ConvertSlots<DType>(plan_, raw, dense, ByteAt(filled_));
    WithSlot([&]<class Slot>(Slot*) {
      Spread(SlotsAt<Slot>(filled_), static_cast<std::size_t>(dense), static_cast<std::size_t>(n),
             ValidOrNull(), static_cast<std::size_t>(filled_), Slot{});
    });
    return OpOk();
  }

  // The block began with codes and goes on with values: gather what was read so far.
  void CodesToValues() {
    WithSlot([&]<class Slot>(Slot*) {
      Slot* slots = SlotsAt<Slot>(0);
      const Slot* dict = dict_view_.template As<Slot>();
      for (std::int32_t i = 0; i < filled_; ++i) {
        const std::int32_t code = codes_[static_cast<std::size_t>(i)];
        slots[i] = code < dict_view_.size ? dict[code] : Slot{};
      }
    });
    settled_ = filled_;
  }

  // Plain byte arrays point into the page, which dies when the next one is loaded: copies those of
  // this block that are not yet safe.
  void Settle() {
    if constexpr (std::is_same_v<T, parquet::ByteArray> ||
                  std::is_same_v<T, parquet::FixedLenByteArray>) {
      if (form_ == Form::kCodes || slot_bytes_ != sizeof(std::string_view) ||
          plan_.to.kind == TypeKind::kDecimal) {
        return;
      }
      std::string_view* views = SlotsAt<std::string_view>(0);
      std::size_t total = 0;
      for (std::int32_t i = settled_; i < filled_; ++i) total += views[i].size();
      auto chunk = std::make_unique<char[]>(total);
      char* at = chunk.get();
      for (std::int32_t i = settled_; i < filled_; ++i) {
        std::memcpy(at, views[i].data(), views[i].size());
        views[i] = {at, views[i].size()};
        at += views[i].size();
      }
      arena_.push_back(std::move(chunk));
    }
    settled_ = filled_;
  }

  OpStatus LoadPage() {
    page_ = pages_->NextPage();
    ++page_number_;
    if (!page_) {
      // The filter may have passed over the last pages.
      if (skip_ == 0 && left_ == 0) return OpOk();
      return BadInput("the column has fewer rows than its row group", "corrupt",
                      "write the file again");
    }
    if (page_->type() == parquet::PageType::DICTIONARY_PAGE) {
      return LoadDictionary(static_cast<const parquet::DictionaryPage&>(*page_));
    }
    if (page_->type() == parquet::PageType::DATA_PAGE) {
      const auto& page = static_cast<const parquet::DataPageV1&>(*page_);
      int offset = 0;
      if (max_level_ > 0) {
        offset = level_decoder_.SetData(page.definition_level_encoding(), max_level_,
                                        page.num_values(), page.data(), page.size());
      }
      StartPage(page, offset);
    } else if (page_->type() == parquet::PageType::DATA_PAGE_V2) {
      const auto& page = static_cast<const parquet::DataPageV2&>(*page_);
      const int repetition = page.repetition_levels_byte_length();
      const int definition = page.definition_levels_byte_length();
      if (repetition < 0 || definition < 0 || repetition > page.size() - definition) {
        throw parquet::ParquetException("a page has levels longer than itself");
      }
      if (max_level_ > 0) {
        level_decoder_.SetDataV2(definition, max_level_, page.num_values(),
                                 page.data() + repetition);
      }
      StartPage(page, repetition + definition);
    }
    return OpOk();  // other page types carry no rows
  }

  void StartPage(const parquet::DataPage& page, int offset) {
    if (page.num_values() < 0 || offset > page.size()) {
      throw parquet::ParquetException("a page header is out of range");
    }
    page_left_ = page.num_values();
    page_is_dictionary_ = IsDictionaryEncoding(page.encoding());
    if (page_is_dictionary_) {
      if (!dict_decoder_) throw parquet::ParquetException("a page needs a dictionary page");
      dict_decoder_->SetData(page.num_values(), page.data() + offset, page.size() - offset);
      return;
    }
    auto& decoder = decoders_[page.encoding()];
    if (!decoder) {
      decoder = parquet::MakeTypedDecoder<DType>(page.encoding(), descriptor_, &shared_.pool);
    }
    decoder_ = decoder.get();
    decoder_->SetData(page.num_values(), page.data() + offset, page.size() - offset);
  }

  OpStatus LoadDictionary(const parquet::DictionaryPage& page) {
    if (dict_decoder_) throw parquet::ParquetException("a column chunk has two dictionaries");
    if constexpr (std::is_same_v<DType, parquet::BooleanType>) {
      throw parquet::ParquetException("booleans have no dictionary");
    } else {
      auto plain =
          parquet::MakeTypedDecoder<DType>(parquet::Encoding::PLAIN, descriptor_, &shared_.pool);
      plain->SetData(page.num_values(), page.data(), page.size());
      dict_decoder_ = parquet::MakeDictDecoder<DType>(descriptor_, &shared_.pool);
      dict_decoder_->SetDict(plain.get());
      const T* entries = nullptr;
      std::int32_t size = 0;
      dict_decoder_->GetDictionary(&entries, &size);
      NM_RETURN_IF_ERROR(hold_.Resize(size * static_cast<std::int64_t>(slot_bytes_),
                                      "the dictionary of a column"));
      dict_slots_.resize((static_cast<std::size_t>(size) + 1) * slot_bytes_ / sizeof(Int128) + 1);
      ConvertSlots<DType>(plan_, entries, size, dict_slots_.data());
      dict_view_ = {dict_slots_.data(), size};
      return OpOk();
    }
  }

  // Calls f with a null pointer of the slot's type.
  template <class F>
  void WithSlot(F&& f) {
    if constexpr (std::is_same_v<T, parquet::ByteArray> ||
                  std::is_same_v<T, parquet::FixedLenByteArray>) {
      if (plan_.to.kind == TypeKind::kDecimal) return f(static_cast<Int128*>(nullptr));
      return f(static_cast<std::string_view*>(nullptr));
    } else {
      switch (slot_bytes_) {
        case 1:
          return f(static_cast<std::uint8_t*>(nullptr));
        case 4:
          return f(static_cast<std::uint32_t*>(nullptr));
        case 8:
          return f(static_cast<std::uint64_t*>(nullptr));
        default:
          return f(static_cast<Int128*>(nullptr));
      }
    }
  }

  char* ByteAt(std::int32_t row) {
    return reinterpret_cast<char*>(values_.data()) + static_cast<std::size_t>(row) * slot_bytes_;
  }
  template <class Slot>
  Slot* SlotsAt(std::int32_t row) {
    return reinterpret_cast<Slot*>(values_.data()) + row;
  }
  const std::uint64_t* ValidOrNull() const { return nulls_ ? valid_.data() : nullptr; }

  ScanShared& shared_;
  const std::string name_;
  const parquet::ColumnDescriptor* descriptor_;
  ConvertPlan plan_;
  const bool identity_;
  const bool want_codes_;
  const std::size_t slot_bytes_;
  const std::int16_t max_level_;
  std::int64_t left_;      // rows not yet delivered or skipped
  std::int64_t skip_ = 0;  // rows to pass over before the next block

  std::unique_ptr<parquet::PageReader> pages_;
  std::shared_ptr<parquet::Page> page_;
  std::int64_t page_number_ = -1;
  std::int64_t page_left_ = 0;
  bool page_is_dictionary_ = false;
  parquet::LevelDecoder level_decoder_;
  std::map<parquet::Encoding::type,
           std::unique_ptr<typename parquet::EncodingTraits<DType>::Decoder>>
      decoders_;
  parquet::TypedDecoder<DType>* decoder_ = nullptr;
  std::unique_ptr<parquet::DictDecoder<DType>> dict_decoder_;
  BudgetHold hold_;  // of dict_slots_
  std::vector<Int128> dict_slots_;
  DictView dict_view_;

  // The block being filled.
  std::int32_t filled_ = 0;
  std::int32_t settled_ = 0;  // byte arrays before this row do not depend on the current page
  Form form_ = Form::kValues;
  bool form_fixed_ = false;
  bool nulls_ = false;
  std::vector<Int128> values_;  // raw storage, aligned for every slot
  std::vector<std::int32_t> codes_;
  std::vector<std::int32_t> indices_;
  std::vector<std::uint64_t> valid_;
  std::vector<std::int16_t> levels_;
  std::unique_ptr<T[]> raw_;
  std::vector<std::unique_ptr<char[]>> arena_;
};

class ParquetRowGroup final : public RowGroupScan {
 public:
  ParquetRowGroup(const ParquetSource& source, int row_group, MemoryBudget& budget)
      : shared_(budget, source.file()), hold_(budget), rows_(source.row_group_rows(row_group)) {
    shared_.path = source.info().path;
    shared_.row_group = row_group;
    shared_.reader = parquet::ParquetFileReader::Open(
        shared_.input, MakeReaderProperties(&shared_.pool), source.metadata());
    shared_.group = shared_.reader->RowGroup(row_group);
  }

  void AddColumn(const ParquetSource& source, const ColumnWant& want) {
    if (want.column < 0) {
      columns_.push_back(std::make_unique<AbsentColumn>(want.as, rows_));
      return;
    }
    const ParquetLeaf& leaf = source.leaf(want.column);
    const auto chunk = shared_.group->metadata()->ColumnChunk(want.column);
    if (chunk->num_values() != rows_) {
      throw parquet::ParquetException("the column has another row count than its row group");
    }
    switch (leaf.descriptor->physical_type()) {
      case parquet::Type::BOOLEAN:
        return Add<parquet::BooleanType>(leaf, want);
      case parquet::Type::INT32:
        return Add<parquet::Int32Type>(leaf, want);
      case parquet::Type::INT64:
        return Add<parquet::Int64Type>(leaf, want);
      case parquet::Type::INT96:
        return Add<parquet::Int96Type>(leaf, want);
      case parquet::Type::FLOAT:
        return Add<parquet::FloatType>(leaf, want);
      case parquet::Type::DOUBLE:
        return Add<parquet::DoubleType>(leaf, want);
      case parquet::Type::BYTE_ARRAY:
        return Add<parquet::ByteArrayType>(leaf, want);
      default:
        return Add<parquet::FLBAType>(leaf, want);
    }
  }

  // Takes the block buffers of this many columns from the budget, at their widest.
  OpStatus Reserve(std::size_t columns) {
    constexpr std::size_t kPerRow =
        sizeof(Int128) + 2 * sizeof(std::int32_t) + sizeof(std::int16_t);
    return hold_.Resize(static_cast<std::int64_t>(columns * kBlock * kPerRow), "reading columns");
  }

  std::int64_t rows() const override { return rows_; }
  std::size_t columns() const override { return columns_.size(); }
  ColumnScan& column(std::size_t i) override { return *columns_[i]; }
  std::int64_t truncated_timestamps() const override { return shared_.truncated; }
  const std::optional<OperatorError>& read_error() const { return shared_.input->error(); }

 private:
  template <class DType>
  void Add(const ParquetLeaf& leaf, const ColumnWant& want) {
    columns_.push_back(std::make_unique<PageColumn<DType>>(shared_, leaf, want, rows_));
  }

  ScanShared shared_;  // destroyed last: the columns hold buffers of its pool
  BudgetHold hold_;
  std::int64_t rows_;
  std::vector<std::unique_ptr<ColumnScan>> columns_;
};

}  // namespace

OpResult<std::unique_ptr<RowGroupScan>> OpenRowGroup(const SourceFile& source, int row_group,
                                                     std::span<const ColumnWant> wants,
                                                     MemoryBudget& budget) {
  const auto& file = static_cast<const ParquetSource&>(source);
  CHECK(row_group >= 0 && row_group < source.row_groups());
  std::unique_ptr<ParquetRowGroup> scan;
  std::string column;
  const OpStatus status = GuardParquet([&]() -> OpStatus {
    scan = std::make_unique<ParquetRowGroup>(file, row_group, budget);
    NM_RETURN_IF_ERROR(scan->Reserve(wants.size()));
    for (const ColumnWant& want : wants) {
      if (want.column >= 0) {
        const Field& field = file.leaf(want.column).field;
        column = field.name;
        if (!CanWiden(field.type, want.as)) {
          return BadInput(fmt::format("it has type {}, which cannot be read as {}",
                                      ToString(field.type), ToString(want.as)),
                          "type");
        }
      }
      scan->AddColumn(file, want);
    }
    return OpOk();
  });
  if (status.ok()) return std::unique_ptr<RowGroupScan>(std::move(scan));
  OperatorError error = scan && scan->read_error() ? *scan->read_error() : status.error();
  error.file = source.info().path;
  error.row_group = row_group;
  error.column = column;
  return error;
}

}  // namespace nightmill
