#include "core/model/operator_catalog.h"

#include "core/base/check.h"

namespace nightmill {

void OperatorCatalog::Add(OperatorEntry entry) {
  const std::string type = entry.type;
  const bool inserted = entries_.emplace(type, std::move(entry)).second;
  CHECK_MSG(inserted, "operator registered twice");
}

const OperatorEntry* OperatorCatalog::Find(std::string_view type) const {
  const auto it = entries_.find(type);
  return it == entries_.end() ? nullptr : &it->second;
}

std::vector<const OperatorEntry*> OperatorCatalog::All() const {
  std::vector<const OperatorEntry*> all;
  all.reserve(entries_.size());
  for (const auto& [type, entry] : entries_) all.push_back(&entry);
  return all;
}

}  // namespace nightmill
