#include "store/rows.h"

#include "core/base/hash.h"

namespace nightmill {

std::string AuditHash(std::string_view previous, const AuditRow& row) {
  // Each field with its length: no shift of bytes between fields keeps the hash.
  std::string text;
  const auto add = [&text](std::string_view field) {
    text += std::to_string(field.size());
    text += ':';
    text += field;
  };
  add(previous);
  add(std::to_string(row.id.value));
  add(std::to_string(ToMicros(row.at)));
  for (const std::string* field : {&row.principal, &row.source, &row.action, &row.target,
                                   &row.before, &row.after, &row.result, &row.request_id}) {
    add(*field);
  }
  return Sha256Hex(text);
}

}  // namespace nightmill
