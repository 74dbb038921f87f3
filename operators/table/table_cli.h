// What `nightmill table files|head` shows of a published table: to people and to other engines.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "operators/columnar/file_system.h"
#include "operators/common_spec.h"
#include "operators/op_result.h"

namespace nightmill {

struct TableQuery {
  std::string table;                    // absolute folder
  PartitionKey partition;               // only partitions that have all of these
  std::optional<std::int64_t> version;  // nullopt: the newest
};

// Absolute paths of the data files of a snapshot, by partition, then in row order.
OpResult<std::vector<std::string>> TableFiles(const FileSystem& fs, const TableQuery& query);

// The first `rows` rows in that order, partition columns last. Cells as JSON text (ValueToJson).
struct TableHead {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
  std::int64_t version = 0;
  std::int64_t total_rows = 0;
};
OpResult<TableHead> ReadTableHead(const FileSystem& fs, const TableQuery& query, std::int64_t rows);

// Leaves these columns, in this order; an unknown name is an error.
OpStatus KeepColumns(const std::vector<std::string>& names, TableHead& head);

// An aligned text table, or a JSON array of objects.
std::string HeadToText(const TableHead& head);
std::string HeadToJson(const TableHead& head);

}  // namespace nightmill
