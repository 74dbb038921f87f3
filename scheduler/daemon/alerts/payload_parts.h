// What the forms of a message share: the data of an alert, and texts cut to what a receiver takes.
// Private to scheduler/daemon/alerts.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/alert.h"

namespace nightmill {

// AlertRow::data as an object, with what the row knows beside it (severity, dedup_key, dag_id,
// task_id) and `links` to the page; {} if it is none.
nlohmann::json DataOf(const AlertRow& alert, std::string_view page);

// A place of the page: name "task", "run", "backfill" or "dag".
struct PageLink {
  std::string name;
  std::string url;
};
// What `data` is about, the narrowest first; none without a page.
std::vector<PageLink> LinksOf(const nlohmann::json& data, std::string_view page);
// Shortens `data` until `whole`, which holds it, takes fewer than `limit` bytes as text.
void CutToFit(nlohmann::json& whole, nlohmann::json& data, std::size_t limit);

// At most `limit` bytes, cut before a character, with "..." at the end if cut.
std::string Cut(std::string_view text, std::size_t limit);
// A member as text; "" if it is missing or null.
std::string TextOf(const nlohmann::json& data, std::string_view name);
// "run.failed user_features scheduled__2026-03-15: load failed"
std::string Headline(const AlertRow& alert, const nlohmann::json& data);
// As JSON text; bytes that are no UTF-8 become the replacement character.
std::string Dump(const nlohmann::json& value);

}  // namespace nightmill
