// Rules for names that users give to things which are not part of a DAG file. kInvalid with the
// rule as hint. Pure.
#pragma once

#include <string_view>

#include "core/base/result.h"

namespace nightmill {

// semantics.md 2.3: safe in a URL and a file name, and no prefix that tells who made a run.
Status CheckRunId(std::string_view run_id);

// As ids of DAGs and tasks.
Status CheckPoolName(std::string_view name);

}  // namespace nightmill
