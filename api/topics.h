// Topics of the event stream and the text of its events (product.md 4.3). Pure.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.h"
#include "store/views.h"

namespace nightmill {

// Which events a stream is sent.
class Topics {
 public:
  // kInvalid naming the first word that is no topic.
  static Result<Topics> Parse(const std::vector<std::string>& words);
  bool Match(const EventView& event) const;

 private:
  bool runs_ = false;
  bool sla_ = false;
  bool server_ = false;
  std::set<std::string, std::less<>> dags_;
  std::set<std::pair<std::string, std::string>> each_run_;
  std::set<std::int64_t> backfills_;
};

// "id: 7\ndata: {...}\n\n", a ServerEvent of openapi.json.
std::string EventText(const EventView& event);
// Tells the reader that events were left out; `newest` is where the stream goes on.
std::string ResyncText(EventId newest);

}  // namespace nightmill
