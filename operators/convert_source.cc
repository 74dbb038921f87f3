#include "operators/convert_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "operators/columnar/column_builder.h"
#include "operators/columnar/csv_reader.h"
#include "operators/columnar/json_lines.h"

namespace nightmill {
namespace {

constexpr std::int64_t kBatchRows = 8192;
constexpr std::size_t kBatchTextBytes = 8 << 20;
constexpr std::size_t kMaxQuoted = 60;  // bytes of a bad value shown
constexpr std::size_t kMaxNamed = 20;   // columns in one warning

OperatorError BadValue(std::string_view value, const ColumnType& type, std::string_view wrong) {
  std::string shown(value.substr(0, kMaxQuoted));
  if (value.size() > kMaxQuoted) shown += "...";
  return BadInput(fmt::format("\"{}\" {} ({})", shown, wrong, ToString(type)), "value",
                  "mend the value or widen the type of the column");
}

// Collects rows of the output and hands them to the writer in batches.
class RowSink {
 public:
  RowSink(ConvertJob& job, std::unique_ptr<TableWriter> writer)
      : job_(job), writer_(std::move(writer)) {
    const TimeZone& zone = job.zone->name() == "UTC" ? TimeZone::Utc() : *job.zone;
    for (const Field& field : job.schema.fields) columns_.emplace_back(field.type, zone);
  }

  ColumnBuilder& column(std::size_t i) { return columns_[i]; }

  OpStatus EndRow() {
    ++rows_;
    if (rows_ < kBatchRows && (rows_ % 256 != 0 || TextBytes() < kBatchTextBytes)) return OpOk();
    return Flush();
  }

  OpResult<WrittenTable> Finish() {
    NM_RETURN_IF_ERROR(Flush());
    return writer_->Finish();
  }

 private:
  std::size_t TextBytes() const {
    std::size_t bytes = 0;
    for (const ColumnBuilder& column : columns_) bytes += column.text_bytes();
    return bytes;
  }

  OpStatus Flush() {
    NM_RETURN_IF_ERROR(job_.attempt.CheckCancelled());
    std::vector<ColumnData> data;
    for (ColumnBuilder& column : columns_) data.push_back(column.Data());
    NM_RETURN_IF_ERROR(writer_->Append(data, rows_));
    job_.attempt.context().progress->rows_in += rows_;
    for (ColumnBuilder& column : columns_) column.Clear();
    rows_ = 0;
    return OpOk();
  }

  ConvertJob& job_;
  std::unique_ptr<TableWriter> writer_;
  std::vector<ColumnBuilder> columns_;
  std::int64_t rows_ = 0;
};

OpResult<std::unique_ptr<RowSink>> OpenSink(ConvertJob& job) {
  NM_ASSIGN_OR_RETURN(std::unique_ptr<TableWriter> writer, job.attempt.OpenWriter(job.schema));
  return std::make_unique<RowSink>(job, std::move(writer));
}

OperatorError InFile(OperatorError error, const InputEntry& entry) {
  if (error.file.empty()) error.file = entry.file.path;
  return error;
}

// --- CSV -----------------------------------------------------------------------------------------

std::vector<std::string> NamesOf(std::span<const CsvCell> header) {
  std::vector<std::string> names;
  for (const CsvCell& cell : header) names.emplace_back(cell.text);
  return names;
}

// An empty cell without quotes is null, whatever its type; so is the text the spec names.
bool IsNullCell(const CsvCell& cell, const ColumnType& type, const InSpec& in) {
  if (cell.text.empty()) return !cell.quoted || type.kind != TypeKind::kString;
  return !in.null_text.empty() && cell.text == in.null_text;
}

class CsvFile {
 public:
  static OpResult<std::unique_ptr<CsvFile>> Open(ConvertJob& job, const InputEntry& entry) {
    NM_ASSIGN_OR_RETURN(std::unique_ptr<TextSource> source,
                        OpenText(job.attempt.fs(), entry.file.path));
    auto file = std::make_unique<CsvFile>(job, entry, std::move(source));
    NM_RETURN_IF_ERROR(file->ReadHeader());
    return file;
  }
  CsvFile(ConvertJob& job, const InputEntry& entry, std::unique_ptr<TextSource> source)
      : job_(job), entry_(entry), reader_(std::move(source), job.in.delimiter) {}

  const std::vector<std::string>& names() const { return names_; }
  std::int64_t line() const { return reader_.line(); }

  // Empty at the end.
  OpResult<std::span<const CsvCell>> Next() {
    auto cells = reader_.Next();
    if (!cells.ok()) return InFile(cells.error(), entry_);
    if (!cells->empty() && cells->size() != names_.size()) {
      OperatorError error =
          InFile(BadInput(fmt::format("the row has {} cells where there are {} columns",
                                      cells->size(), names_.size()),
                          "corrupt", "mend the line"),
                 entry_);
      error.line = reader_.line();
      return error;
    }
    return cells;
  }

 private:
  OpStatus ReadHeader() {
    if (!job_.in.header) {
      if (!job_.ordered) {
        return SpecError("/schema", "must be a list where the file has no header",
                         "[{\"name\": \"a\", \"type\": \"int64\"}, ...] fixes the order");
      }
      for (const Field& field : job_.schema.fields) names_.push_back(field.name);
      return OpOk();
    }
    auto header = reader_.Next();
    if (!header.ok()) return InFile(header.error(), entry_);
    names_ = NamesOf(*header);
    if (names_.empty()) {
      return InFile(BadInput("the file has no header line", "corrupt",
                             "set \"header\": false for a file without one"),
                    entry_);
    }
    std::vector<std::string> sorted = names_;
    std::sort(sorted.begin(), sorted.end());
    const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
    if (twice != sorted.end()) {
      OperatorError error =
          InFile(BadInput(fmt::format("two columns are named \"{}\"", *twice), "corrupt"), entry_);
      error.line = 1;
      return error;
    }
    return OpOk();
  }

  ConvertJob& job_;
  const InputEntry& entry_;
  CsvReader reader_;
  std::vector<std::string> names_;
};

// Where each wanted column is in this file.
OpResult<std::vector<std::size_t>> BindCsv(ConvertJob& job, const CsvFile& file,
                                           const InputEntry& entry) {
  std::vector<std::size_t> places;
  for (const Field& field : job.schema.fields) {
    const auto it = std::find(file.names().begin(), file.names().end(), field.name);
    if (it == file.names().end()) {
      OperatorError error =
          BadSpec(fmt::format("there is no column \"{}\"", field.name), "missing_column",
                  fmt::format("the header has {}", fmt::join(file.names(), ", ")));
      error.file = entry.file.path;
      error.column = field.name;
      error.line = 1;
      return error;
    }
    places.push_back(static_cast<std::size_t>(it - file.names().begin()));
  }
  WarnLeftOut(job, entry.name, file.names());
  return places;
}

OpStatus ConvertCsvFile(ConvertJob& job, const InputEntry& entry, RowSink& sink) {
  NM_ASSIGN_OR_RETURN(const std::unique_ptr<CsvFile> file, CsvFile::Open(job, entry));
  NM_ASSIGN_OR_RETURN(const std::vector<std::size_t> places, BindCsv(job, *file, entry));
  while (true) {
    NM_ASSIGN_OR_RETURN(const std::span<const CsvCell> cells, file->Next());
    if (cells.empty()) return OpOk();
    for (std::size_t i = 0; i < places.size(); ++i) {
      const CsvCell& cell = cells[places[i]];
      ColumnBuilder& column = sink.column(i);
      if (IsNullCell(cell, column.type(), job.in)) {
        column.AppendNull();
      } else if (const char* wrong = column.AppendText(cell.text)) {
        OperatorError error = InFile(BadValue(cell.text, column.type(), wrong), entry);
        error.line = file->line();
        error.column = job.schema.fields[i].name;
        return error;
      }
    }
    NM_RETURN_IF_ERROR(sink.EndRow());
  }
}

// An object schema takes the order of the first file's columns.
OpStatus OrderByHeader(ConvertJob& job) {
  if (job.ordered || !job.in.header) return OpOk();
  NM_ASSIGN_OR_RETURN(const std::unique_ptr<CsvFile> first,
                      CsvFile::Open(job, job.attempt.inputs().files.front()));
  const auto place = [&first](const Field& field) {
    return std::find(first->names().begin(), first->names().end(), field.name);
  };
  std::stable_sort(job.schema.fields.begin(), job.schema.fields.end(),
                   [&place](const Field& a, const Field& b) { return place(a) < place(b); });
  return OpOk();
}

// --- JSON Lines ----------------------------------------------------------------------------------

const char* AppendMember(const JsonMember& member, ColumnBuilder& column) {
  switch (member.kind) {
    case JsonMember::Kind::kNull:
      column.AppendNull();
      return nullptr;
    case JsonMember::Kind::kBool:
      return column.AppendBool(member.boolean);
    case JsonMember::Kind::kInteger:
      return column.AppendInteger(member.integer);
    case JsonMember::Kind::kNumber:
      return column.AppendNumber(member.number, member.text);
    case JsonMember::Kind::kText:
      switch (column.type().kind) {
        case TypeKind::kString:
        case TypeKind::kBinary:
        case TypeKind::kDate:
        case TypeKind::kTimestamp:
        case TypeKind::kDecimal:
          return column.AppendText(member.text);
        default:
          return "is text where its column has another type";
      }
    case JsonMember::Kind::kNested:
      return "is an object or an array where its column has a flat type";
  }
  return "is of an unknown kind";
}

std::string_view ShownValue(const JsonMember& member) {
  switch (member.kind) {
    case JsonMember::Kind::kBool:
      return member.boolean ? "true" : "false";
    case JsonMember::Kind::kNested:
      return member.name;
    default:
      return member.text;
  }
}

// Which members the lines of all files have: there is no header that would tell.
class JsonColumns {
 public:
  explicit JsonColumns(const Schema& schema) : seen_(schema.fields.size()) {
    for (std::size_t i = 0; i < schema.fields.size(); ++i) {
      places_.emplace(schema.fields[i].name, i);
    }
  }

  // The members of a line by column, null where it has none.
  void Place(std::span<const JsonMember> line, std::vector<const JsonMember*>& row) {
    row.assign(places_.size(), nullptr);
    any_line_ = true;
    for (const JsonMember& member : line) {
      const auto it = places_.find(member.name);
      if (it != places_.end()) {
        row[it->second] = &member;
        seen_[it->second] = true;
      } else if (left_out_.size() <= kMaxNamed &&
                 std::find(left_out_.begin(), left_out_.end(), member.name) == left_out_.end()) {
        left_out_.push_back(member.name);
      }
    }
  }

  // A name in the spec that no line has is a slip; a column of the table may have no value today.
  OpStatus Finish(ConvertJob& job) const {
    const std::vector<InputEntry>& files = job.attempt.inputs().files;
    const std::string where =
        files.size() == 1 ? files[0].name : fmt::format("{} files", files.size());
    WarnLeftOut(job, where, left_out_);
    for (std::size_t i = 0; any_line_ && i < seen_.size(); ++i) {
      if (seen_[i]) continue;
      const std::string& name = job.schema.fields[i].name;
      const std::string message = fmt::format("no line has a member \"{}\"", name);
      if (!job.given) {
        job.warnings.push_back(fmt::format("{}: {}, the column is null", where, message));
        continue;
      }
      OperatorError error = BadSpec(message, "missing_column", "mend or drop it in the schema");
      if (!left_out_.empty()) {
        error.hint += fmt::format("; members it does not name: {}", fmt::join(left_out_, ", "));
      }
      error.file = files.front().file.path;
      error.column = name;
      return error;
    }
    return OpOk();
  }

 private:
  std::unordered_map<std::string, std::size_t> places_;
  std::vector<bool> seen_;
  std::vector<std::string> left_out_;  // the first of those that are no column
  bool any_line_ = false;
};

OpStatus ConvertJsonFile(ConvertJob& job, const InputEntry& entry, JsonColumns& columns,
                         RowSink& sink) {
  NM_ASSIGN_OR_RETURN(std::unique_ptr<TextSource> source,
                      OpenText(job.attempt.fs(), entry.file.path));
  JsonLinesReader reader(std::move(source));
  std::vector<const JsonMember*> row;
  while (true) {
    bool end = false;
    const auto members = reader.Next(end);
    if (!members.ok()) return InFile(members.error(), entry);
    if (end) return OpOk();
    columns.Place(*members, row);
    for (std::size_t i = 0; i < row.size(); ++i) {
      ColumnBuilder& column = sink.column(i);
      if (row[i] == nullptr) {
        column.AppendNull();
      } else if (const char* wrong = AppendMember(*row[i], column)) {
        OperatorError error = InFile(BadValue(ShownValue(*row[i]), column.type(), wrong), entry);
        error.line = reader.line();
        error.column = job.schema.fields[i].name;
        return error;
      }
    }
    NM_RETURN_IF_ERROR(sink.EndRow());
  }
}

// --- Inference -----------------------------------------------------------------------------------

// The types that all values of a column seen so far fit.
struct Candidates {
  bool seen = false;
  bool is_bool = true;
  bool is_int = true;
  bool is_double = true;
  bool is_date = true;
  bool is_timestamp = true;
  bool zoned = true;  // every timestamp has an offset
  bool local = true;  // none has

  void AddText(std::string_view text) {
    seen = true;
    bool boolean = false;
    std::int64_t integer = 0;
    double number = 0;
    std::int32_t days = 0;
    bool offset = false;
    // 1 and 0 are numbers before they are truth values; 0012 is a name before it is a number.
    is_bool = is_bool && text.size() > 1 && ParseBoolText(text, boolean) == nullptr;
    const std::size_t sign = text.starts_with('-') ? 1 : 0;
    const bool padded = text.size() > sign + 1 && text[sign] == '0' && text[sign + 1] >= '0' &&
                        text[sign + 1] <= '9';
    is_int =
        is_int && !padded && !text.starts_with('+') && ParseInt64Text(text, integer) == nullptr;
    is_double = is_double && !padded && ParseDoubleText(text, number) == nullptr;
    is_date = is_date && ParseDateText(text, days) == nullptr;
    if (is_timestamp) {
      is_timestamp = ParseTimestampText(text, integer, offset) == nullptr;
      zoned = zoned && offset;
      local = local && !offset;
    }
  }
  void AddMember(const JsonMember& member) {
    switch (member.kind) {
      case JsonMember::Kind::kNull:
        return;
      case JsonMember::Kind::kText:
        AddText(member.text);
        is_bool = is_int = is_double = false;
        return;
      case JsonMember::Kind::kBool:
        is_int = is_double = is_date = is_timestamp = false;
        break;
      case JsonMember::Kind::kInteger:
        is_bool = is_date = is_timestamp = false;
        break;
      default:
        is_bool = is_int = is_date = is_timestamp = false;
        break;
    }
    seen = true;
  }
  ColumnType Type() const {
    ColumnType type;
    type.kind = TypeKind::kString;
    if (!seen) return type;
    if (is_bool) type.kind = TypeKind::kBool;
    if (is_double) type.kind = TypeKind::kFloat64;
    if (is_int) type.kind = TypeKind::kInt64;
    if (is_date) type.kind = TypeKind::kDate;
    if (is_timestamp && (zoned || local)) {
      type.kind = TypeKind::kTimestamp;
      type.utc = zoned;
    }
    return type;
  }
};

class Inference {
 public:
  Candidates& column(const std::string& name) {
    const auto [it, added] = places_.emplace(name, names_.size());
    if (added) {
      names_.push_back(name);
      columns_.emplace_back();
    }
    return columns_[it->second];
  }
  Schema Result() const {
    Schema schema;
    for (std::size_t i = 0; i < names_.size(); ++i) {
      schema.fields.push_back({names_[i], columns_[i].Type()});
    }
    return schema;
  }

 private:
  std::map<std::string, std::size_t> places_;
  std::vector<std::string> names_;
  std::vector<Candidates> columns_;
};

OpStatus InferCsvFile(ConvertJob& job, const InputEntry& entry, Inference& inference) {
  NM_ASSIGN_OR_RETURN(const std::unique_ptr<CsvFile> file, CsvFile::Open(job, entry));
  for (const std::string& name : file->names()) inference.column(name);
  ColumnType text;
  text.kind = TypeKind::kString;
  while (true) {
    NM_ASSIGN_OR_RETURN(const std::span<const CsvCell> cells, file->Next());
    if (cells.empty()) return OpOk();
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (IsNullCell(cells[i], text, job.in)) continue;
      inference.column(file->names()[i]).AddText(cells[i].text);
    }
  }
}

OpStatus InferJsonFile(ConvertJob& job, const InputEntry& entry, Inference& inference) {
  NM_ASSIGN_OR_RETURN(std::unique_ptr<TextSource> source,
                      OpenText(job.attempt.fs(), entry.file.path));
  JsonLinesReader reader(std::move(source));
  while (true) {
    bool end = false;
    const auto members = reader.Next(end);
    if (!members.ok()) return InFile(members.error(), entry);
    if (end) return OpOk();
    for (const JsonMember& member : *members) {
      if (member.kind == JsonMember::Kind::kNested) {
        OperatorError error = InFile(BadInput("its value is an object or an array", "unsupported",
                                              "write a schema with the flat columns you want"),
                                     entry);
        error.line = reader.line();
        error.column = member.name;
        return error;
      }
      inference.column(member.name).AddMember(member);
    }
  }
}

}  // namespace

OpResult<std::shared_ptr<const TimeZone>> FindZone(const std::string& name) {
  auto zone = TimeZone::Find(name);
  if (!zone.ok()) return FromCore(OperatorErrorCode::kBadSpec, zone.error());
  return std::move(zone).value();
}

OpResult<Schema> InferSchema(InputFormat format, ConvertJob& job) {
  if (format == InputFormat::kParquet) return InferParquetSchema(job);
  if (format == InputFormat::kCsv && !job.in.header) {
    return SpecError("/schema", "is needed where the file has no header", "write it as a list");
  }
  Inference inference;
  for (const InputEntry& entry : job.attempt.inputs().files) {
    NM_RETURN_IF_ERROR(job.attempt.CheckCancelled());
    NM_RETURN_IF_ERROR(format == InputFormat::kCsv ? InferCsvFile(job, entry, inference)
                                                   : InferJsonFile(job, entry, inference));
  }
  const Schema schema = inference.Result();
  if (schema.fields.empty()) {
    OperatorError error = BadInput("there is no row to infer a schema from", "no_rows",
                                   "write the schema in the spec");
    error.file = job.attempt.inputs().files.front().file.path;
    return error;
  }
  return schema;
}

void WarnLeftOut(ConvertJob& job, std::string_view where, std::span<const std::string> names) {
  std::string list;
  std::size_t found = 0;
  for (const std::string& name : names) {
    if (job.schema.Find(name) >= 0) continue;
    if (++found <= kMaxNamed) list += fmt::format("{}\"{}\"", found == 1 ? "" : ", ", name);
  }
  if (found == 0) return;
  job.warnings.push_back(fmt::format("{}: not in the schema and left out: {}{}", where, list,
                                     found > kMaxNamed ? " and more" : ""));
}

OpResult<WrittenTable> ConvertFiles(InputFormat format, ConvertJob& job) {
  if (format == InputFormat::kParquet) return ConvertParquet(job);
  if (format == InputFormat::kCsv) NM_RETURN_IF_ERROR(OrderByHeader(job));
  NM_ASSIGN_OR_RETURN(const std::unique_ptr<RowSink> sink, OpenSink(job));
  JsonColumns columns(job.schema);
  OperatorProgress& progress = *job.attempt.context().progress;
  progress.units_total += static_cast<std::int64_t>(job.attempt.inputs().files.size());
  for (const InputEntry& entry : job.attempt.inputs().files) {
    NM_RETURN_IF_ERROR(format == InputFormat::kCsv ? ConvertCsvFile(job, entry, *sink)
                                                   : ConvertJsonFile(job, entry, columns, *sink));
    progress.bytes_read += entry.file.size;
    progress.units_done += 1;
  }
  if (format == InputFormat::kJsonLines) NM_RETURN_IF_ERROR(columns.Finish(job));
  return sink->Finish();
}

}  // namespace nightmill
