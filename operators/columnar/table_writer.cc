// Files out of row groups: a small pipeline. The calling thread copies rows into a buffer of one
// row group; full buffers are encoded on other threads and joined to files strictly in order by
// copying their column chunks, so that neither bytes nor borders depend on the number of threads.
#include "operators/columnar/table_writer.h"

#include <arrow/io/memory.h>
#include <fmt/format.h>
#include <parquet/file_writer.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <future>
#include <map>
#include <set>

#include "operators/columnar/fragment.h"
#include "operators/columnar/parquet_file.h"
#include "operators/columnar/parquet_footer.h"

namespace nightmill {
namespace {

constexpr std::size_t kArenaChunk = 1 << 20;
constexpr std::string_view kMagic = "PAR1";

// One row group of rows being collected.
class RowBuffer {
 public:
  RowBuffer(const Schema& schema, MemoryBudget& budget)
      : schema_(schema), hold_(budget), columns_(schema.fields.size()) {}

  std::int64_t rows() const { return static_cast<std::int64_t>(rows_); }

  // Copies rows [first, first + n) of `columns`.
  OpStatus Append(std::span<const ColumnData> columns, std::size_t first, std::size_t n) {
    NM_RETURN_IF_ERROR(Grow(rows_ + n));
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      const TypeKind kind = schema_.fields[c].type.kind;
      Column& column = columns_[c];
      AppendValid(column, columns[c].valid, first, n);
      const std::size_t width = SlotBytes(kind);
      char* to = reinterpret_cast<char*>(column.slots.data()) + rows_ * width;
      std::memcpy(to, static_cast<const char*>(columns[c].values) + first * width, n * width);
      if (kind == TypeKind::kString || kind == TypeKind::kBinary) {
        NM_RETURN_IF_ERROR(OwnText(column, reinterpret_cast<std::string_view*>(to), n));
      }
    }
    rows_ += n;
    return OpOk();
  }

  std::vector<ColumnData> Data() const {
    std::vector<ColumnData> out;
    for (const Column& column : columns_) {
      out.push_back({column.slots.data(), column.nulls ? column.valid.data() : nullptr});
    }
    return out;
  }

 private:
  struct Column {
    std::vector<Int128> slots;  // raw storage
    std::vector<std::uint64_t> valid;
    bool nulls = false;
  };

  // Makes room for `rows` rows, doubling.
  OpStatus Grow(std::size_t rows) {
    if (rows <= capacity_) return OpOk();
    const std::size_t capacity = std::min(std::max<std::size_t>({rows, capacity_ * 2, 1024}),
                                          std::max<std::size_t>(rows, kRowGroupRows));
    std::size_t row_bytes = 1;
    for (const Field& field : schema_.fields) row_bytes += SlotBytes(field.type.kind);
    NM_RETURN_IF_ERROR(hold_.Resize(static_cast<std::int64_t>(capacity * row_bytes + text_bytes_),
                                    "collecting rows of a row group"));
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      const std::size_t width = SlotBytes(schema_.fields[c].type.kind);
      columns_[c].slots.resize(capacity * width / sizeof(Int128) + 1);
      columns_[c].valid.resize(capacity / 64 + 1);
    }
    capacity_ = capacity;
    return OpOk();
  }

  void AppendValid(Column& column, const std::uint64_t* valid, std::size_t first, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
      const bool is_valid = BitIsSet(valid, first + i);
      const std::size_t at = rows_ + i;
      const std::uint64_t bit = std::uint64_t{1} << (at & 63);
      column.valid[at >> 6] = is_valid ? column.valid[at >> 6] | bit : column.valid[at >> 6] & ~bit;
      column.nulls |= !is_valid;
    }
  }

  // Replaces views by views of our own copies; those of nulls by empty ones.
  OpStatus OwnText(Column& column, std::string_view* views, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t at = rows_ + i;
      const std::size_t size = BitIsSet(column.valid.data(), at) ? views[i].size() : 0;
      if (size == 0) {
        views[i] = {};
        continue;
      }
      if (size > arena_left_) NM_RETURN_IF_ERROR(AddChunk(size));
      std::memcpy(arena_at_, views[i].data(), size);
      views[i] = {arena_at_, size};
      arena_at_ += size;
      arena_left_ -= size;
    }
    return OpOk();
  }

  OpStatus AddChunk(std::size_t at_least) {
    const std::size_t size = std::max(at_least, kArenaChunk);
    text_bytes_ += size;
    NM_RETURN_IF_ERROR(
        hold_.Resize(hold_.held() + static_cast<std::int64_t>(size), "the text of a row group"));
    arena_.push_back(std::make_unique<char[]>(size));
    arena_at_ = arena_.back().get();
    arena_left_ = size;
    return OpOk();
  }

  const Schema& schema_;
  BudgetHold hold_;
  std::vector<Column> columns_;
  std::size_t rows_ = 0;
  std::size_t capacity_ = 0;
  std::vector<std::unique_ptr<char[]>> arena_;
  char* arena_at_ = nullptr;
  std::size_t arena_left_ = 0;
  std::size_t text_bytes_ = 0;
};

// One Parquet file growing row group by row group.
class FileAssembly {
 public:
  FileAssembly(const Schema& schema, Codec codec) : properties_(BaseProperties(codec).build()) {
    descriptor_.Init(ToParquetSchema(schema));
    builder_ = parquet::FileMetaDataBuilder::Make(&descriptor_, properties_);
    info_.columns.resize(schema.fields.size());
  }

  OpStatus Start(const FileSystem& fs, const std::string& dir) {
    NM_ASSIGN_OR_RETURN(file_, fs.Create(dir));
    return file_->Append(kMagic);
  }

  std::int64_t bytes() const { return file_->bytes_written(); }
  std::int64_t rows() const { return info_.rows; }

  OpStatus Add(const EncodedRowGroup& group) {
    return GuardParquet([&]() -> OpStatus {
      const auto source = group.metadata->RowGroup(0);
      parquet::RowGroupMetaDataBuilder* target = builder_->AppendRowGroup();
      target->set_num_rows(source->num_rows());
      for (int i = 0; i < source->num_columns(); ++i) {
        NM_RETURN_IF_ERROR(CopyChunk(group, *source->ColumnChunk(i), *target->NextColumnChunk()));
      }
      target->Finish(source->total_byte_size(), static_cast<std::int16_t>(info_.row_groups));
      ++info_.row_groups;
      info_.rows += source->num_rows();
      info_.content_sum.Add(group.content_sum);
      for (std::size_t c = 0; c < info_.columns.size(); ++c) {
        MergeStats(info_.columns[c], group.columns[c]);
      }
      hashes_ += group.hash;
      return OpOk();
    });
  }

  // Writes the footer and names the file by its content; `taken` are the names used before.
  OpResult<DataFile> Finish(const std::string& dir, std::set<std::string>& taken) {
    return GuardParquet([&]() -> OpResult<DataFile> {
      const auto metadata = builder_->Finish();
      auto sink = arrow::io::BufferOutputStream::Create();
      if (!sink.ok()) return OutOfMemory(sink.status().message());
      parquet::WriteFileMetaData(*metadata, sink->get());
      auto buffer = (*sink)->Finish();
      if (!buffer.ok()) return OutOfMemory(buffer.status().message());
      const std::string footer = (*buffer)->ToString();
      NM_RETURN_IF_ERROR(file_->Append(footer));
      hashes_ += QuickHash(footer);
      const std::string hash = QuickHash(hashes_);
      // Equal files of one table are different files.
      std::string name = hash;
      for (int i = 2; !taken.insert(name).second; ++i) name = fmt::format("{}-{}", hash, i);
      info_.path = dir + "/" + name + ".parquet";
      info_.bytes = file_->bytes_written();
      NM_RETURN_IF_ERROR(file_->Commit(info_.path));
      return std::move(info_);
    });
  }

 private:
  OpStatus CopyChunk(const EncodedRowGroup& group, const parquet::ColumnChunkMetaData& chunk,
                     parquet::ColumnChunkMetaDataBuilder& target) {
    const ChunkRange range = RangeOf(chunk);
    const std::int64_t moved = file_->bytes_written() - range.begin;
    NM_RETURN_IF_ERROR(
        file_->Append({reinterpret_cast<const char*>(group.file->data()) + range.begin,
                       static_cast<std::size_t>(range.size)}));
    const bool dictionary = chunk.has_dictionary_page() && chunk.dictionary_page_offset() > 0;
    std::map<parquet::Encoding::type, std::int32_t> dictionary_pages;
    std::map<parquet::Encoding::type, std::int32_t> data_pages;
    for (const parquet::PageEncodingStats& stats : chunk.encoding_stats()) {
      const bool is_dictionary = stats.page_type == parquet::PageType::DICTIONARY_PAGE;
      (is_dictionary ? dictionary_pages : data_pages)[stats.encoding] += stats.count;
    }
    if (const auto statistics = chunk.encoded_statistics()) target.SetStatistics(*statistics);
    target.Finish(chunk.num_values(), dictionary ? chunk.dictionary_page_offset() + moved : 0, 0,
                  chunk.data_page_offset() + moved, chunk.total_compressed_size(),
                  chunk.total_uncompressed_size(), dictionary, false, dictionary_pages, data_pages);
    return OpOk();
  }

  std::shared_ptr<parquet::WriterProperties> properties_;
  parquet::SchemaDescriptor descriptor_;
  std::unique_ptr<parquet::FileMetaDataBuilder> builder_;
  std::unique_ptr<OutputFile> file_;
  DataFile info_;
  std::string hashes_;
};

class ParquetTableWriter final : public TableWriter {
 public:
  ParquetTableWriter(const FileSystem& fs, std::string dir, const Schema& schema,
                     const WriteOptions& options, MemoryBudget& budget)
      : fs_(fs), dir_(std::move(dir)), options_(options), budget_(budget) {
    table_.schema = schema;
    table_.columns.resize(schema.fields.size());
  }

  ~ParquetTableWriter() override {
    // Encoders read this object's schema.
    for (Job& job : jobs_) {
      if (job.fragment.valid()) job.fragment.wait();
    }
  }

  OpStatus Append(std::span<const ColumnData> columns, std::int64_t rows) override {
    CHECK(columns.size() == table_.schema.fields.size());
    std::int64_t first = 0;
    while (first < rows) {
      if (!buffer_) buffer_ = std::make_unique<RowBuffer>(table_.schema, budget_);
      const std::int64_t n = std::min(rows - first, GroupLimit() - buffer_->rows());
      NM_RETURN_IF_ERROR(
          buffer_->Append(columns, static_cast<std::size_t>(first), static_cast<std::size_t>(n)));
      first += n;
      if (buffer_->rows() == GroupLimit()) NM_RETURN_IF_ERROR(Flush());
    }
    return OpOk();
  }

  OpStatus AppendFragment(std::unique_ptr<Fragment> fragment) override {
    CHECK(options_.max_rows_per_file == 0 && !buffer_);
    return Place(static_cast<const EncodedRowGroup&>(*fragment), false);
  }

  OpResult<WrittenTable> Finish() override {
    if (buffer_) NM_RETURN_IF_ERROR(Flush());
    while (!jobs_.empty()) NM_RETURN_IF_ERROR(PlaceFirst());
    if (!file_ && table_.files.empty()) NM_RETURN_IF_ERROR(OpenFile());
    if (file_) NM_RETURN_IF_ERROR(CloseFile());
    NM_RETURN_IF_ERROR(fs_.SyncDir(dir_));
    return std::move(table_);
  }

 private:
  struct Job {
    std::future<OpResult<std::unique_ptr<Fragment>>> fragment;
    bool ends_file = false;
  };

  // Rows of the row group being collected: files end at row group borders.
  std::int64_t GroupLimit() const {
    if (options_.max_rows_per_file == 0) return kRowGroupRows;
    return std::min(kRowGroupRows, options_.max_rows_per_file - rows_in_file_);
  }

  OpStatus Flush() {
    Job job;
    rows_in_file_ += buffer_->rows();
    if (options_.max_rows_per_file > 0 && rows_in_file_ == options_.max_rows_per_file) {
      job.ends_file = true;
      rows_in_file_ = 0;
    }
    const auto encode = [this, buffer = std::shared_ptr<RowBuffer>(std::move(buffer_))] {
      return EncodeFragment(table_.schema, options_, buffer->Data(), buffer->rows(), budget_);
    };
    // One thread in all: the caller encodes. More: the caller goes on collecting.
    const auto helpers = static_cast<std::size_t>(std::max(options_.threads - 1, 0));
    job.fragment = std::async(helpers == 0 ? std::launch::deferred : std::launch::async, encode);
    jobs_.push_back(std::move(job));
    while (jobs_.size() > helpers) NM_RETURN_IF_ERROR(PlaceFirst());
    return OpOk();
  }

  OpStatus PlaceFirst() {
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    NM_ASSIGN_OR_RETURN(const std::unique_ptr<Fragment> fragment, job.fragment.get());
    return Place(static_cast<const EncodedRowGroup&>(*fragment), job.ends_file);
  }

  OpStatus Place(const EncodedRowGroup& group, bool ends_file) {
    const bool full =
        file_ && file_->rows() > 0 && file_->bytes() + group.bytes() > options_.target_bytes;
    if (full && options_.max_rows_per_file == 0) NM_RETURN_IF_ERROR(CloseFile());
    if (!file_) NM_RETURN_IF_ERROR(OpenFile());
    NM_RETURN_IF_ERROR(file_->Add(group));
    if (ends_file) NM_RETURN_IF_ERROR(CloseFile());
    return OpOk();
  }

  OpStatus OpenFile() {
    auto file = std::make_unique<FileAssembly>(table_.schema, options_.codec);
    NM_RETURN_IF_ERROR(file->Start(fs_, dir_));
    file_ = std::move(file);
    return OpOk();
  }

  OpStatus CloseFile() {
    NM_ASSIGN_OR_RETURN(DataFile done, file_->Finish(dir_, names_));
    file_.reset();
    table_.rows += done.rows;
    table_.bytes += done.bytes;
    table_.content_sum.Add(done.content_sum);
    for (std::size_t c = 0; c < table_.columns.size(); ++c) {
      MergeStats(table_.columns[c], done.columns[c]);
    }
    table_.files.push_back(std::move(done));
    return OpOk();
  }

  const FileSystem& fs_;
  const std::string dir_;
  const WriteOptions options_;
  MemoryBudget& budget_;
  WrittenTable table_;
  std::unique_ptr<RowBuffer> buffer_;
  std::deque<Job> jobs_;
  std::unique_ptr<FileAssembly> file_;
  std::int64_t rows_in_file_ = 0;  // collected, not yet placed
  std::set<std::string> names_;
};

}  // namespace

OpResult<std::unique_ptr<TableWriter>> OpenTableWriter(const FileSystem& fs, const std::string& dir,
                                                       const Schema& schema,
                                                       const WriteOptions& options,
                                                       MemoryBudget& budget) {
  if (schema.fields.empty()) return BadSpec("a table needs at least one column", "schema");
  for (std::size_t i = 0; i < schema.fields.size(); ++i) {
    const Field& field = schema.fields[i];
    if (field.type.kind == TypeKind::kUnsupported) {
      OperatorError error = BadInput("its type cannot be written", "unsupported");
      error.column = field.name;
      return error;
    }
    if (schema.Find(field.name) != static_cast<int>(i)) {
      return BadSpec("two columns are named \"" + field.name + "\"", "schema");
    }
  }
  NM_RETURN_IF_ERROR(fs.MakeDirs(dir));
  return std::unique_ptr<TableWriter>(
      std::make_unique<ParquetTableWriter>(fs, dir, schema, options, budget));
}

}  // namespace nightmill
