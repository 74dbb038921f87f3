#include "operators/table/table_cli.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/json.h"
#include "operators/columnar/column_scan.h"
#include "operators/table/manifest.h"

namespace nightmill {
namespace {

constexpr std::int64_t kHeadMemory = 512'000'000;
constexpr std::size_t kMaxCellWidth = 60;

bool HasAll(const PartitionKey& key, const PartitionKey& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&key](const auto& part) {
    return std::find(key.begin(), key.end(), part) != key.end();
  });
}

// A snapshot, and its partitions that the query wants.
struct Snapshot {
  TableVersion version;
  std::vector<std::pair<PartitionKey, PartitionManifest>> partitions;
};

OpResult<Snapshot> Load(const FileSystem& fs, const TableQuery& query) {
  Snapshot out;
  NM_RETURN_IF_ERROR(fs.Stat(query.table));
  NM_ASSIGN_OR_RETURN(const bool is_table, IsTable(fs, query.table));
  if (!is_table) {
    OperatorError error = MakeOpError(OperatorErrorCode::kIo, "it is not a published table",
                                      "not_found", "a table has a folder _nightmill");
    error.file = query.table;
    return error;
  }
  if (query.version) {
    NM_ASSIGN_OR_RETURN(out.version, LoadVersion(fs, query.table, *query.version));
  } else {
    NM_ASSIGN_OR_RETURN(out.version, LatestVersion(fs, query.table));
  }
  for (const auto& [path, entry] : out.version.partitions) {
    NM_ASSIGN_OR_RETURN(const PartitionKey key, ParsePartitionPath(path));
    if (!HasAll(key, query.partition)) continue;
    NM_ASSIGN_OR_RETURN(PartitionManifest manifest,
                        LoadPartition(fs, query.table, out.version, path));
    out.partitions.emplace_back(key, std::move(manifest));
  }
  if (out.partitions.empty() && !query.partition.empty()) {
    OperatorError error = MakeOpError(
        OperatorErrorCode::kIo,
        fmt::format("it has no partition {}", PartitionPath(query.partition)), "not_found");
    error.file = query.table;
    return error;
  }
  return out;
}

// Partition columns of the partitions, in the order they come. Those of one partition, but tables
// of earlier releases may mix.
std::vector<std::string> PartitionColumns(const Snapshot& snapshot) {
  std::vector<std::string> names;
  for (const auto& [key, manifest] : snapshot.partitions) {
    for (const auto& [column, value] : key) {
      if (std::find(names.begin(), names.end(), column) == names.end()) names.push_back(column);
    }
  }
  return names;
}

// The values of these columns as cells; null where the partition does not have them.
std::vector<std::string> PartitionCells(const PartitionKey& key,
                                        const std::vector<std::string>& columns) {
  std::vector<std::string> cells;
  for (const std::string& name : columns) {
    const auto it = std::find_if(key.begin(), key.end(),
                                 [&name](const auto& part) { return part.first == name; });
    const nlohmann::json value = it == key.end() ? nlohmann::json() : nlohmann::json(it->second);
    cells.push_back(value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  return cells;
}

// Appends rows of a file until there are `limit`.
OpStatus ReadRows(const FileSystem& fs, const std::string& path, const Schema& schema,
                  std::size_t limit, TableHead& head) {
  MemoryBudget budget(kHeadMemory);
  NM_ASSIGN_OR_RETURN(const std::shared_ptr<const SourceFile> source, OpenSource(fs, path, budget));
  std::vector<ColumnWant> wants;
  for (const Field& field : schema.fields) {
    wants.push_back({source->schema().Find(field.name), field.type, false});
  }
  for (int g = 0; g < source->row_groups() && head.rows.size() < limit; ++g) {
    NM_ASSIGN_OR_RETURN(const std::unique_ptr<RowGroupScan> scan,
                        OpenRowGroup(*source, g, wants, budget));
    for (std::int64_t read = 0; read < scan->rows() && head.rows.size() < limit;) {
      const std::size_t first = head.rows.size();
      for (std::size_t c = 0; c < wants.size(); ++c) {
        NM_ASSIGN_OR_RETURN(const Block block, scan->column(c).Next());
        const auto rows = std::min(static_cast<std::size_t>(block.rows), limit - first);
        if (c == 0) head.rows.resize(first + rows);
        if (c == 0) read += block.rows;
        for (std::size_t r = 0; r < rows; ++r) {
          const Value value =
              BitIsSet(block.valid, r) ? SlotValue(wants[c].as, block.values, r) : Value();
          head.rows[first + r].push_back(ValueToJson(value, wants[c].as));
        }
      }
    }
  }
  return OpOk();
}

// What a person sees of a cell: text without quotes, null as nothing.
std::string Shown(const std::string& json) {
  std::string text = json == "null" ? "" : json;
  if (text.size() >= 2 && text.front() == '"') {
    const auto parsed = nlohmann::json::parse(text, nullptr, false);
    if (parsed.is_string()) text = parsed.get<std::string>();
  }
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  if (text.size() > kMaxCellWidth) text = text.substr(0, kMaxCellWidth - 3) + "...";
  return text;
}

}  // namespace

OpResult<std::vector<std::string>> TableFiles(const FileSystem& fs, const TableQuery& query) {
  NM_ASSIGN_OR_RETURN(const Snapshot snapshot, Load(fs, query));
  std::vector<std::string> paths;
  for (const auto& [key, manifest] : snapshot.partitions) {
    for (const DataFile& file : manifest.files) paths.push_back(DataPath(query.table, file));
  }
  return paths;
}

OpResult<TableHead> ReadTableHead(const FileSystem& fs, const TableQuery& query,
                                  std::int64_t rows) {
  NM_ASSIGN_OR_RETURN(const Snapshot snapshot, Load(fs, query));
  TableHead head;
  head.version = snapshot.version.version;
  for (const Field& field : snapshot.version.schema.fields) head.columns.push_back(field.name);
  const std::vector<std::string> partition_columns = PartitionColumns(snapshot);
  head.columns.insert(head.columns.end(), partition_columns.begin(), partition_columns.end());
  const auto limit = static_cast<std::size_t>(rows);
  for (const auto& [key, manifest] : snapshot.partitions) {
    const std::vector<std::string> cells = PartitionCells(key, partition_columns);
    for (const DataFile& file : manifest.files) {
      head.total_rows += file.rows;
      if (head.rows.size() >= limit) continue;
      const std::size_t first = head.rows.size();
      NM_RETURN_IF_ERROR(
          ReadRows(fs, DataPath(query.table, file), snapshot.version.schema, limit, head));
      for (std::size_t r = first; r < head.rows.size(); ++r) {
        head.rows[r].insert(head.rows[r].end(), cells.begin(), cells.end());
      }
    }
  }
  return head;
}

OpStatus KeepColumns(const std::vector<std::string>& names, TableHead& head) {
  std::vector<std::size_t> places;
  for (const std::string& name : names) {
    const auto it = std::find(head.columns.begin(), head.columns.end(), name);
    if (it == head.columns.end()) {
      return BadSpec(fmt::format("the table has no column \"{}\"", name), "missing_column",
                     fmt::format("it has {}", fmt::join(head.columns, ", ")));
    }
    places.push_back(static_cast<std::size_t>(it - head.columns.begin()));
  }
  for (auto& row : head.rows) {
    std::vector<std::string> kept;
    for (const std::size_t place : places) kept.push_back(row[place]);
    row = std::move(kept);
  }
  head.columns = names;
  return OpOk();
}

std::string HeadToText(const TableHead& head) {
  std::vector<std::vector<std::string>> lines{head.columns};
  for (const auto& row : head.rows) {
    std::vector<std::string> line;
    for (const std::string& cell : row) line.push_back(Shown(cell));
    lines.push_back(std::move(line));
  }
  std::vector<std::size_t> widths(head.columns.size());
  for (const auto& line : lines) {
    for (std::size_t c = 0; c < line.size(); ++c) widths[c] = std::max(widths[c], line[c].size());
  }
  std::string out;
  for (const auto& line : lines) {
    std::string text;
    for (std::size_t c = 0; c < line.size(); ++c) {
      text += fmt::format("{}{:<{}}", c == 0 ? "" : "  ", line[c], widths[c]);
    }
    while (text.ends_with(' ')) text.pop_back();
    out += text + '\n';
  }
  out += fmt::format("{} of {} rows, version {}", head.rows.size(), head.total_rows, head.version);
  return out;
}

std::string HeadToJson(const TableHead& head) {
  nlohmann::json rows = nlohmann::json::array();
  for (const auto& row : head.rows) {
    nlohmann::json object = nlohmann::json::object();
    for (std::size_t c = 0; c < row.size(); ++c) {
      object[head.columns[c]] = nlohmann::json::parse(row[c], nullptr, false);
    }
    rows.push_back(std::move(object));
  }
  return nlohmann::json{{"version", head.version}, {"total_rows", head.total_rows}, {"rows", rows}}
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace nightmill
