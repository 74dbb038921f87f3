// From the text of a DAG file to an immutable Dag, reporting all errors at once with their places
// (product.md 2.2-2.5). Text level (NM1xx): one SAX pass checks UTF-8, depth, sizes, duplicate keys
// and notes line and column of every JSON Pointer; comments are allowed. Schema level (NM2xx): the
// generated draft-07 schema. Meaning (NM3xx): dag_validate. Pure, thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/model/dag.h"
#include "core/model/operator_catalog.h"

namespace nightmill {

enum class DiagnosticLevel : std::uint8_t { kError, kWarning };

// JSON form: {code, severity, pointer, file, line, col, message, hint}.
struct Diagnostic {
  std::string code;  // "NM302"
  DiagnosticLevel severity = DiagnosticLevel::kError;
  std::string pointer;  // "/tasks/3/depends_on/0"
  std::string file;
  int line = 0;  // from 1
  int col = 0;   // from 1, in code points
  std::string message;
  std::string hint;     // "did you mean \"gate\"?"
  std::string excerpt;  // the source line
  int length = 1;       // code points to underline
};

struct DagFileOptions {
  std::string file = "dag.json";  // name used in diagnostics
  std::string fileloc = {};       // absolute path; "" if unknown
  // Pools of the server with their slots (-1: unlimited, 0: closed for now); nullopt offline, where
  // a pool other than default_pool is a warning.
  std::optional<std::map<std::string, int>> pools = std::nullopt;
  // Notifiers of the server: another name in `notify` and `on` is a warning. nullopt: not known.
  std::optional<std::set<std::string>> notifiers = std::nullopt;
};

struct DagFileResult {
  std::shared_ptr<const Dag> dag;       // null if there is any error
  std::vector<Diagnostic> diagnostics;  // first 100, ordered by place

  bool ok() const { return dag != nullptr; }
};

DagFileResult LoadDag(std::string_view text, const OperatorCatalog& catalog,
                      const DagFileOptions& options);

// The form of product.md 2.4: "file:17:60: error NM302: message   at /pointer", the source line and
// a caret line with the hint.
std::string FormatDiagnostic(const Diagnostic& diagnostic);
std::string DiagnosticsToJson(const std::vector<Diagnostic>& diagnostics);

// dags/dag.schema.json: draft-07, generated from the field tables and the catalog.
std::string DagSchema(const OperatorCatalog& catalog);
// The page of a code for `nightmill explain NM302`; nullopt for an unknown code.
std::optional<std::string> ExplainCode(std::string_view code);

// Strict parse of any JSON of users (configuration, conf, specs): comments allowed if asked for,
// duplicate keys and depth refused. Returns canonical JSON text (sorted keys, RFC 8785 numbers) or
// kInvalid with "line L, column C: ..." in the message and the place in `pointer`.
Result<std::string> ParseStrictJson(std::string_view text, bool allow_comments);

// Merges the defaults of `params_schema` with `conf` and validates: kInvalid names every offending
// param. Returns {"params": {...}, "conf": {...}} as canonical JSON.
Result<std::string> ResolveParams(std::string_view params_schema, std::string_view conf);

}  // namespace nightmill
