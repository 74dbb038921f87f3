// The task types of the tests of this folder: all real ones, and a native operator whose schema
// uses keywords that only valijson decides.
#pragma once

#include "core/model/operator_catalog.h"
#include "operators/catalog.h"

namespace nightmill {

inline const OperatorCatalog& TestCatalog() {
  static const OperatorCatalog catalog = [] {
    OperatorCatalog types;
    AddBuiltinTypes(types);
    AddNativeOperators(types);
    types.Add({"odd",
               TaskKind::kNative,
               "Takes what is no text.",
               "Only for tests.",
               R"({"properties": {
                 "value": {"not": {"type": "string", "minLength": 2}, "description": "No text."},
                 "in": {"type": "object", "additionalProperties": false, "required": ["path"],
                   "description": "Input.",
                   "properties": {"path": {"type": "string"}, "rows": {"type": "integer"}}},
                 "suite": {"type": "array", "description": "Checks.", "items": {"oneOf": [
                   {"type": "object", "additionalProperties": false, "required": ["type", "min"],
                    "properties": {"type": {"const": "row_count"}, "min": {"type": "integer"}}},
                   {"type": "object", "additionalProperties": false, "required": ["type", "col"],
                    "properties": {"type": {"const": "not_null"}, "col": {"type": "string"}}}]}},
                 "limit": {"type": "integer", "default": 7, "description": "A default."}},
                 "required": []})",
               {}});
    return types;
  }();
  return catalog;
}

}  // namespace nightmill
