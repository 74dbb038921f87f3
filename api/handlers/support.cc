#include "api/handlers/support.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <mutex>
#include <utility>

#include "core/base/json.h"
#include "core/dagfile/dag_json.h"

namespace nightmill {
namespace {

using nlohmann::json;

// Parsing a stored source takes about a millisecond; lists would repeat it per row. A version never
// changes.
class VersionCache {
 public:
  std::shared_ptr<const KnownVersion> Find(const std::string& key) {
    const std::lock_guard lock(mutex_);
    const auto it = entries_.find(key);
    return it == entries_.end() ? nullptr : it->second;
  }
  void Put(const std::string& key, std::shared_ptr<const KnownVersion> version) {
    const std::lock_guard lock(mutex_);
    if (entries_.size() >= kMax) entries_.clear();
    entries_[key] = std::move(version);
  }

 private:
  static constexpr std::size_t kMax = 2'048;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const KnownVersion>> entries_;
};

VersionCache& Cache() {
  static VersionCache cache;
  return cache;
}

char LowerOf(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

template <class T>
Result<std::optional<T>> TypedMember(const json& body, std::string_view name, bool fits,
                                     std::string_view type) {
  const auto it = body.find(name);
  if (it == body.end() || it->is_null()) return std::optional<T>{};
  if (!fits) {
    Error error = Invalid(fmt::format("{} must be {}", name, type));
    error.pointer = fmt::format("/{}", name);
    return error;
  }
  return std::optional<T>{it->get<T>()};
}

const json& MemberOf(const json& body, std::string_view name) {
  static const json null;
  const auto it = body.find(name);
  return it == body.end() ? null : *it;
}

}  // namespace

Error UnknownWord(std::string_view name, std::string_view word) {
  return Invalid(fmt::format("\"{}\" is no value of {}", word, name));
}

Result<int> NumberOf(std::string_view name, const std::string& text, int low, int high) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < low || value > high) {
    return Invalid(fmt::format("{}={} is not a whole number from {} to {}", name, text, low, high));
  }
  return value;
}

Result<std::optional<int>> NumberQuery(const HttpRequest& request, std::string_view name, int low,
                                       int high) {
  const std::optional<std::string> text = request.Query(name);
  if (!text) return std::optional<int>{};
  NM_ASSIGN_OR_RETURN(const int value, NumberOf(name, *text, low, high));
  return std::optional<int>{value};
}

Result<Page> PageOf(const HttpRequest& request, int max_offset) {
  Page page;
  NM_ASSIGN_OR_RETURN(const std::optional<int> limit,
                      NumberQuery(request, "limit", 1, limits::kMaxPageLimit));
  page.limit = limit.value_or(page.limit);
  NM_ASSIGN_OR_RETURN(const std::optional<int> offset,
                      NumberQuery(request, "offset", 0, 1'000'000'000));
  page.offset = offset.value_or(0);
  if (page.offset <= max_offset) return page;
  return Invalid(fmt::format("offset={} is above {}, the limit", page.offset, max_offset),
                 "further on, ask with cursor=<next_cursor of the page before> where there is one, "
                 "or filter");
}

Result<std::optional<OrderBy>> OrderOf(const HttpRequest& request,
                                       std::span<const std::string_view> allowed) {
  const std::vector<std::string> given = request.QueryAll("order_by");
  if (given.empty()) return std::optional<OrderBy>{};
  if (given.size() > 1) return Invalid("order_by is given more than once");
  OrderBy order;
  order.descending = given[0].starts_with('-');
  const std::string_view word = std::string_view(given[0]).substr(order.descending ? 1 : 0);
  const auto it = std::find(allowed.begin(), allowed.end(), word);
  if (it == allowed.end()) {
    return Invalid(fmt::format("this list cannot be ordered by \"{}\"", word),
                   allowed.empty()
                       ? "it has one order only"
                       : fmt::format("order_by is one of {}; downwards with - before it",
                                     fmt::join(allowed, ", ")));
  }
  order.word = static_cast<std::size_t>(it - allowed.begin());
  return std::optional<OrderBy>{order};
}

Result<std::optional<Cursor>> CursorOf(const HttpRequest& request, const Page& page) {
  const std::optional<std::string> text = request.Query("cursor");
  if (!text) return std::optional<Cursor>{};
  if (page.offset > 0) return Invalid("cursor and offset exclude each other");
  Cursor cursor;
  const char* end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, cursor.number);
  if (error != std::errc{} || stop == end || *stop != ':') {
    return Invalid("cursor is not one of ours", "send next_cursor of the page before, unchanged");
  }
  cursor.text.assign(stop + 1, end);
  return std::optional<Cursor>{std::move(cursor)};
}

std::string TextOf(const Cursor& cursor) {
  return fmt::format("{}:{}", cursor.number, cursor.text);
}

Result<HttpResponse> PagedResponse(const HttpRequest& request, const std::string& name, json rows,
                                   std::span<const std::string_view> allowed, int default_limit) {
  NM_ASSIGN_OR_RETURN(Page page, PageOf(request));
  if (!request.Query("limit")) {
    const bool all = default_limit == limits::kMaxPageLimit;
    page.limit = all ? static_cast<int>(rows.size()) : default_limit;
  }
  NM_ASSIGN_OR_RETURN(const std::optional<OrderBy> order, OrderOf(request, allowed));
  if (order) {
    const std::string member(allowed[order->word]);
    std::stable_sort(rows.begin(), rows.end(), [&](const json& a, const json& b) {
      return order->descending ? b.at(member) < a.at(member) : a.at(member) < b.at(member);
    });
  }
  const std::size_t total = rows.size();
  const std::size_t from = std::min(total, static_cast<std::size_t>(page.offset));
  const std::size_t to = std::min(total, from + static_cast<std::size_t>(page.limit));
  json shown = json::array();
  for (std::size_t i = from; i < to; ++i) shown.push_back(std::move(rows[i]));
  return JsonResponse({{name, std::move(shown)}, {"total_entries", total}});
}

Result<std::optional<Instant>> InstantQuery(const HttpRequest& request, std::string_view name) {
  const std::optional<std::string> text = request.Query(name);
  if (!text) return std::optional<Instant>{};
  NM_ASSIGN_OR_RETURN(const Instant t, ParseInstant(*text));
  return std::optional<Instant>{t};
}

Result<InstantRange> RangeQuery(const HttpRequest& request, std::string_view name) {
  constexpr std::chrono::microseconds kTick{1};
  InstantRange range;
  NM_ASSIGN_OR_RETURN(range.from, InstantQuery(request, fmt::format("{}_gte", name)));
  NM_ASSIGN_OR_RETURN(range.to, InstantQuery(request, fmt::format("{}_lte", name)));
  NM_ASSIGN_OR_RETURN(const std::optional<Instant> above,
                      InstantQuery(request, fmt::format("{}_gt", name)));
  NM_ASSIGN_OR_RETURN(const std::optional<Instant> below,
                      InstantQuery(request, fmt::format("{}_lt", name)));
  if (above && (!range.from || *above >= *range.from)) range.from = *above + kTick;
  if (below && (!range.to || *below <= *range.to)) range.to = *below - kTick;
  return range;
}

bool IsLike(std::string_view text, std::string_view pattern) {
  std::size_t t = 0;
  std::size_t p = 0;
  std::size_t star = std::string_view::npos;  // the last %, and where its match began
  std::size_t from = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '%') {
      star = p++;
      from = t;
    } else if (p < pattern.size() &&
               (pattern[p] == '_' || LowerOf(pattern[p]) == LowerOf(text[t]))) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++from;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '%') ++p;
  return p == pattern.size();
}

Result<std::optional<bool>> BoolQuery(const HttpRequest& request, std::string_view name) {
  const std::optional<std::string> text = request.Query(name);
  if (!text) return std::optional<bool>{};
  if (*text == "true" || *text == "True" || *text == "1") return std::optional<bool>{true};
  if (*text == "false" || *text == "False" || *text == "0") return std::optional<bool>{false};
  return Invalid(fmt::format("{}={} is neither true nor false", name, *text));
}

Result<json> ObjectBody(const HttpRequest& request, std::initializer_list<std::string_view> known) {
  if (request.body.empty()) return json(json::object());
  NM_ASSIGN_OR_RETURN(const std::string strict, ParseStrictJson(request.body, false));
  json body = json::parse(strict);
  if (!body.is_object()) return Invalid("the body must be a JSON object");
  for (const auto& [name, value] : body.items()) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    Error error = Invalid(fmt::format("unknown member \"{}\"", name),
                          fmt::format("known are: {}", fmt::join(known, ", ")));
    error.pointer = "/" + name;
    return error;
  }
  return body;
}

Status NoBody(const HttpRequest& request) {
  NM_RETURN_IF_ERROR(ObjectBody(request, {}));
  return Ok();
}

Status ApplyMask(const HttpRequest& request, json& body) {
  const std::vector<std::string> mask = request.QueryAll("update_mask");
  if (mask.empty()) return Ok();
  json kept = json::object();
  for (const std::string& name : mask) {
    const auto it = body.find(name);
    if (it == body.end()) {
      return Invalid(fmt::format("update_mask names \"{}\", which the body has not", name));
    }
    kept[name] = *it;
  }
  body = std::move(kept);
  return Ok();
}

Status CheckIfMatch(const HttpRequest& request, std::string_view entry) {
  const std::string_view wanted = request.Header("if-match");
  if (wanted.empty() || wanted == "*") return Ok();
  const std::string tag = EntryTag(entry);
  if (wanted.find(tag) != std::string_view::npos) return Ok();
  return Error{ErrorCode::kPreconditionFailed, "it was changed in the meantime",
               "read it again and send its ETag as If-Match"};
}

Result<std::optional<std::string>> StringMember(const json& body, std::string_view name) {
  return TypedMember<std::string>(body, name, MemberOf(body, name).is_string(), "a string");
}

Result<std::optional<bool>> BoolMember(const json& body, std::string_view name) {
  return TypedMember<bool>(body, name, MemberOf(body, name).is_boolean(), "true or false");
}

bool IsInt(const json& value) {
  if (value.is_number_unsigned()) return std::in_range<int>(value.get<std::uint64_t>());
  return value.is_number_integer() && std::in_range<int>(value.get<std::int64_t>());
}

Result<std::optional<int>> IntMember(const json& body, std::string_view name) {
  return TypedMember<int>(body, name, IsInt(MemberOf(body, name)),
                          "a whole number of at most 2,147,483,647");
}

Result<std::optional<Instant>> InstantMember(const json& body, std::string_view name) {
  NM_ASSIGN_OR_RETURN(const std::optional<std::string> text, StringMember(body, name));
  if (!text) return std::optional<Instant>{};
  Result<Instant> t = ParseInstant(*text);
  if (t.ok()) return std::optional<Instant>{*t};
  Error error = std::move(t).error();
  error.pointer = fmt::format("/{}", name);
  return error;
}

Result<DagView> RequireDag(ApiContext& context, std::string_view dag_id) {
  NM_ASSIGN_OR_RETURN(std::optional<DagView> dag, context.queries.FindDag(dag_id));
  if (dag && !dag->dag.deleted) return *std::move(dag);
  return NotFound(fmt::format("no DAG \"{}\"", dag_id), "nightmill dag list shows the DAGs");
}

Result<DagRunRow> RequireRun(ApiContext& context, std::string_view dag_id,
                             std::string_view run_id) {
  std::optional<DagRunRow> run;
  if (run_id == "~latest") {
    NM_ASSIGN_OR_RETURN(run, context.queries.NewestRun(dag_id));
  } else {
    NM_ASSIGN_OR_RETURN(run, context.queries.FindRun(dag_id, run_id));
  }
  if (run) return *std::move(run);
  NM_RETURN_IF_ERROR(RequireDag(context, dag_id));
  return NotFound(fmt::format("no run \"{}\" of DAG \"{}\"", run_id, dag_id),
                  fmt::format("nightmill run list {} shows its runs", dag_id));
}

Result<TaskView> RequireTask(ApiContext& context, const DagRunRow& run, std::string_view task_id,
                             int map_index) {
  NM_ASSIGN_OR_RETURN(std::optional<TaskView> task,
                      context.queries.FindTask(run.run, task_id, map_index));
  if (task) return *std::move(task);
  const std::string index = map_index < 0 ? "" : fmt::format("[{}]", map_index);
  return NotFound(fmt::format("no task instance \"{}{}\" in run {}", task_id, index, run.run_id),
                  "nightmill task list shows the task instances of a run");
}

std::shared_ptr<const KnownVersion> VersionOf(ApiContext& context, std::string_view dag_id,
                                              int version) {
  if (version <= 0) return NewestOf(context, dag_id);
  const std::string key = fmt::format("{}@{}", dag_id, version);
  if (std::shared_ptr<const KnownVersion> known = Cache().Find(key)) return known;
  auto known = std::make_shared<KnownVersion>();
  known->display_name = std::string(dag_id);
  const Result<std::optional<DagVersionRow>> row = context.queries.FindVersion(dag_id, version);
  if (!row.ok() || !row->has_value()) return known;
  DagFileOptions options;
  options.file = key;
  known->dag = LoadDag((*row)->source, context.catalog, options).dag;
  if (known->dag != nullptr && !known->dag->display_name.empty()) {
    known->display_name = known->dag->display_name;
  }
  known->view = JsonResponse(VersionToJson(**row, known->display_name)).body;
  Cache().Put(key, known);
  return known;
}

std::shared_ptr<const KnownVersion> NewestOf(ApiContext& context, std::string_view dag_id) {
  const Result<std::optional<DagView>> dag = context.queries.FindDag(dag_id);
  if (dag.ok() && dag->has_value()) return VersionOf(context, dag_id, (*dag)->dag.version);
  auto unknown = std::make_shared<KnownVersion>();
  unknown->display_name = std::string(dag_id);
  return unknown;
}

HttpResponse JsonResponse(const json& body, int status) {
  return JsonTextResponse(body.dump(-1, ' ', false, json::error_handler_t::replace), status);
}

HttpResponse JsonTextResponse(std::string body, int status) {
  HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

}  // namespace nightmill
