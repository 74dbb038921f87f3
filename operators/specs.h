// The specs of convert, publish, expect and compact (aggregate_spec.h has that of aggregate), read
// by the worker and by `dag validate` alike. The functions are beside the entries of the catalog:
// <operator>_entry.cc holds all that a DAG file may say of the operator. Pure.
#pragma once

#include <string>
#include <vector>

#include "operators/checks.h"
#include "operators/common_spec.h"
#include "operators/compact_plan.h"
#include "operators/spec_reader.h"

namespace nightmill {

// The schema as written: an object of name: type (any order), or a list that also fixes the order.
struct ConvertSpec {
  CommonSpec common;
  Schema schema;
  bool given = false;  // false: infer_once
  bool ordered = false;
};
ConvertSpec ReadConvert(SpecReader& spec);

struct PublishSpec {
  CommonSpec common;  // from, to
  CheckSuite suite;
};
PublishSpec ReadPublish(SpecReader& spec);

struct ExpectSpec {
  CommonSpec common;
  CheckSuite suite;
  bool warn_only = false;
};
ExpectSpec ReadExpect(SpecReader& spec);

struct CompactSpec {
  CommonSpec common;
  CompactRules rules;
  std::vector<std::string> sort;
  std::string rules_hash;  // of all that shapes files: equal for a repeated run
};
CompactSpec ReadCompact(SpecReader& spec);

}  // namespace nightmill
