// The readers behind `convert`: rows of a format into a TableWriter, and the schema of rows.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/schedule/time_zone.h"
#include "operators/columnar/table_writer.h"
#include "operators/table/attempt.h"

namespace nightmill {

struct ConvertJob {
  Attempt& attempt;
  const InSpec& in;
  std::shared_ptr<const TimeZone> zone;
  Schema schema;         // the columns wanted; empty while it is inferred
  bool given = true;     // the spec names the columns; else they are inferred, or the table's
  bool ordered = false;  // the spec fixes the order of columns, else that of the first file does
  std::vector<std::string> warnings;
};

OpResult<std::shared_ptr<const TimeZone>> FindZone(const std::string& name);

// The schema of all rows of all inputs: the narrowest type each column's values fit, text such as
// "0012" stays text, a column without any value is text.
OpResult<Schema> InferSchema(InputFormat format, ConvertJob& job);

// Reads every file of the job in order and writes its rows.
OpResult<WrittenTable> ConvertFiles(InputFormat format, ConvertJob& job);

// Warns of the names that are no column wanted. `where` they were found.
void WarnLeftOut(ConvertJob& job, std::string_view where, std::span<const std::string> names);

// The parts of both for Parquet (convert_parquet.cc).
OpResult<Schema> InferParquetSchema(ConvertJob& job);
OpResult<WrittenTable> ConvertParquet(ConvertJob& job);

}  // namespace nightmill
