// The items of a mapped task (semantics.md 5). Pure.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/model/task.h"
#include "core/template/template.h"

namespace nightmill {

// JSON text of each item in order: list items; {"key","value"} of an object; the product, zip or
// concatenation of several named lists. kInvalid if an input is neither list nor object, lengths of
// a zip differ, or there are more than max_items.
Result<std::vector<std::string>> MapItems(const MapSpec& map, const TemplateContext& context);

}  // namespace nightmill
