// What is known of DAGs beside their rows: versions, tags, numbers, files that do not load.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "api/handlers/handlers.h"
#include "api/handlers/support.h"
#include "api/json_view.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/dagfile/dag_json.h"

namespace nightmill {
namespace {

using nlohmann::json;

Result<std::vector<DagView>> AllDags(ApiContext& context) {
  std::vector<DagView> all;
  DagFilter filter;
  filter.page.limit = limits::kMaxPageLimit;
  while (true) {
    NM_ASSIGN_OR_RETURN(Listing<DagView> dags, context.queries.Dags(filter));
    all.insert(all.end(), dags.rows.begin(), dags.rows.end());
    filter.page.offset += limits::kMaxPageLimit;
    if (static_cast<int>(dags.rows.size()) < limits::kMaxPageLimit) return all;
  }
}

bool Contains(const std::vector<std::string>& list, const std::string& word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

bool Fits(const Dag* dag, const std::vector<std::string>& tags, bool all_tags,
          const std::vector<std::string>& owners) {
  if (tags.empty() && owners.empty()) return true;
  if (dag == nullptr) return false;
  const auto has = [dag](const std::string& tag) { return Contains(dag->tags, tag); };
  const bool tagged = tags.empty() || (all_tags ? std::all_of(tags.begin(), tags.end(), has)
                                                : std::any_of(tags.begin(), tags.end(), has));
  const bool owned =
      owners.empty() || std::any_of(owners.begin(), owners.end(), [dag](const std::string& owner) {
        return Contains(dag->owners, owner);
      });
  return tagged && owned;
}

// The number of an import error: of its DAG, as long as the DAG is there.
std::int64_t ErrorIdOf(const std::string& dag_id) {
  return 1 + static_cast<std::int64_t>(KeyedHash({"import_error/1", dag_id}) & 0x3fffffffu);
}

json ImportErrorOf(ApiContext& context, const DagView& view) {
  const std::string& dag_id = view.dag.dag_id;
  DagFileOptions options;
  options.file = view.dag.fileloc.empty() ? dag_id + ".json" : view.dag.fileloc;
  DagFileResult loaded;
  const Result<std::optional<DagView>> stored = context.queries.FindDag(dag_id);
  if (stored.ok() && stored->has_value()) {
    loaded = LoadDag((*stored)->newest.source, context.catalog, options);
  }
  std::string text;
  for (const Diagnostic& diagnostic : loaded.diagnostics) {
    text += FormatDiagnostic(diagnostic) + "\n";
  }
  return {{"import_error_id", ErrorIdOf(dag_id)},
          {"timestamp", FormatInstant(view.newest.created_at)},
          {"filename", options.file},
          {"bundle_name", "nightmill"},
          {"stack_trace", text},
          {"diagnostics", json::parse(DiagnosticsToJson(loaded.diagnostics))}};
}

Result<json> ImportErrors(ApiContext& context) {
  NM_ASSIGN_OR_RETURN(const std::vector<DagView> dags, AllDags(context));
  json list = json::array();
  for (const DagView& view : dags) {
    if (VersionOf(context, view.dag.dag_id, view.dag.version)->dag != nullptr) continue;
    list.push_back(ImportErrorOf(context, view));
  }
  return list;
}

}  // namespace

Result<Listing<DagView>> SelectDags(ApiContext& context, const HttpRequest& request) {
  DagFilter filter;
  NM_ASSIGN_OR_RETURN(filter.page, PageOf(request));
  NM_ASSIGN_OR_RETURN(filter.paused, BoolQuery(request, "paused"));
  filter.id_pattern = request.Query("dag_id_pattern");
  static constexpr std::string_view kOrders[] = {"dag_id", "last_parsed_time"};  // of DagOrder
  NM_ASSIGN_OR_RETURN(const std::optional<OrderBy> order, OrderOf(request, kOrders));
  if (order) {
    filter.order = static_cast<DagOrder>(order->word);
    filter.descending = order->descending;
  }
  const std::string mode = request.Query("tags_match_mode").value_or("any");
  if (mode != "any" && mode != "all") return UnknownWord("tags_match_mode", mode);
  const std::vector<std::string> tags = request.QueryAll("tags");
  const std::vector<std::string> owners = request.QueryAll("owners");
  if (tags.empty() && owners.empty()) return context.queries.Dags(filter);
  // Tags and owners are in the files: DAGs are few enough to look at each.
  const Page wanted = filter.page;
  filter.page = {limits::kMaxPageLimit, 0};
  Listing<DagView> chosen;
  while (true) {
    NM_ASSIGN_OR_RETURN(Listing<DagView> dags, context.queries.Dags(filter));
    for (DagView& view : dags.rows) {
      const auto known = VersionOf(context, view.dag.dag_id, view.dag.version);
      if (!Fits(known->dag.get(), tags, mode == "all", owners)) continue;
      chosen.total += 1;
      if (chosen.total <= wanted.offset) continue;
      if (static_cast<int>(chosen.rows.size()) < wanted.limit) {
        chosen.rows.push_back(std::move(view));
      }
    }
    filter.page.offset += limits::kMaxPageLimit;
    if (static_cast<int>(dags.rows.size()) < limits::kMaxPageLimit) return chosen;
  }
}

Result<std::int64_t> CountImportErrors(ApiContext& context) {
  NM_ASSIGN_OR_RETURN(const std::vector<DagView> dags, AllDags(context));
  return std::count_if(dags.begin(), dags.end(), [&context](const DagView& view) {
    return VersionOf(context, view.dag.dag_id, view.dag.version)->dag == nullptr;
  });
}

Result<DagVersionRow> RequireVersion(ApiContext& context, const std::string& dag_id, int version) {
  NM_ASSIGN_OR_RETURN(std::optional<DagVersionRow> row,
                      context.queries.FindVersion(dag_id, version));
  if (row) return *std::move(row);
  NM_RETURN_IF_ERROR(RequireDag(context, dag_id));
  return NotFound(fmt::format("DAG \"{}\" has no version {}", dag_id, version));
}

Result<HttpResponse> GetDagVersions(ApiContext& context, const HttpRequest& request) {
  const std::string& dag_id = request.Param("dag_id");
  NM_RETURN_IF_ERROR(RequireDag(context, dag_id));
  json list = json::array();
  Page page{limits::kMaxPageLimit, 0};
  while (true) {
    NM_ASSIGN_OR_RETURN(const Listing<DagVersionRow> rows,
                        context.queries.DagVersions(dag_id, page));
    for (const DagVersionRow& row : rows.rows) {
      list.push_back(VersionToJson(row, VersionOf(context, dag_id, row.version)->display_name));
    }
    page.offset += page.limit;
    if (static_cast<int>(rows.rows.size()) < page.limit) break;
  }
  static constexpr std::string_view kOrders[] = {"version_number"};
  return PagedResponse(request, "dag_versions", std::move(list), kOrders,
                       limits::kDefaultPageLimit);
}

Result<HttpResponse> GetDagVersion(ApiContext& context, const HttpRequest& request) {
  const std::string& dag_id = request.Param("dag_id");
  NM_ASSIGN_OR_RETURN(const int number, NumberOf("version_number", request.Param("version_number"),
                                                 1, 1'000'000'000));
  NM_ASSIGN_OR_RETURN(const DagVersionRow row, RequireVersion(context, dag_id, number));
  return JsonResponse(VersionToJson(row, VersionOf(context, dag_id, number)->display_name));
}

Result<HttpResponse> GetDagTags(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const std::vector<DagView> dags, AllDags(context));
  const std::optional<std::string> pattern = request.Query("tag_name_pattern");
  std::set<std::string> tags;
  for (const DagView& view : dags) {
    const auto known = VersionOf(context, view.dag.dag_id, view.dag.version);
    if (known->dag == nullptr) continue;
    for (const std::string& tag : known->dag->tags) {
      if (!pattern || IsLike(tag, *pattern)) tags.insert(tag);
    }
  }
  static constexpr std::string_view kOrders[] = {"name"};
  NM_ASSIGN_OR_RETURN(const std::optional<OrderBy> order, OrderOf(request, kOrders));
  NM_ASSIGN_OR_RETURN(const Page page, PageOf(request));
  std::vector<std::string> sorted(tags.begin(), tags.end());
  if (order && order->descending) std::reverse(sorted.begin(), sorted.end());
  json shown = json::array();
  for (std::size_t i = static_cast<std::size_t>(page.offset);
       i < sorted.size() && static_cast<int>(shown.size()) < page.limit; ++i) {
    shown.push_back(sorted[i]);
  }
  return JsonResponse({{"tags", std::move(shown)}, {"total_entries", sorted.size()}});
}

Result<HttpResponse> GetDagStats(ApiContext& context, const HttpRequest& request) {
  const std::vector<std::string> wanted = request.QueryAll("dag_ids");
  NM_ASSIGN_OR_RETURN(const std::vector<DagView> dags, AllDags(context));
  NM_ASSIGN_OR_RETURN(const std::vector<DagRunCounts> counts, context.queries.RunCountsByDag());
  json list = json::array();
  for (const DagView& view : dags) {
    const std::string& dag_id = view.dag.dag_id;
    if (!wanted.empty() && !Contains(wanted, dag_id)) continue;
    const auto it = std::find_if(counts.begin(), counts.end(),
                                 [&](const DagRunCounts& one) { return one.dag_id == dag_id; });
    json stats = json::array();
    for (const RunState state :
         {RunState::kQueued, RunState::kRunning, RunState::kSuccess, RunState::kFailed}) {
      const std::int64_t count =
          it == counts.end() ? 0 : it->counts[static_cast<std::size_t>(state)];
      stats.push_back({{"state", ToString(state)}, {"count", count}});
    }
    list.push_back(
        {{"dag_id", dag_id},
         {"dag_display_name", VersionOf(context, dag_id, view.dag.version)->display_name},
         {"stats", std::move(stats)}});
  }
  return JsonResponse({{"dags", list}, {"total_entries", list.size()}});
}

Result<HttpResponse> GetImportErrors(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(json list, ImportErrors(context));
  if (const auto pattern = request.Query("filename_pattern")) {
    json kept = json::array();
    for (json& item : list) {
      if (IsLike(item.at("filename").get_ref<const std::string&>(), *pattern)) {
        kept.push_back(std::move(item));
      }
    }
    list = std::move(kept);
  }
  static constexpr std::string_view kOrders[] = {"import_error_id", "timestamp", "filename"};
  return PagedResponse(request, "import_errors", std::move(list), kOrders,
                       limits::kDefaultPageLimit);
}

Result<HttpResponse> GetImportError(ApiContext& context, const HttpRequest& request) {
  NM_ASSIGN_OR_RETURN(const int id,
                      NumberOf("import_error_id", request.Param("import_error_id"), 1, 0x7fffffff));
  NM_ASSIGN_OR_RETURN(const json list, ImportErrors(context));
  for (const json& item : list) {
    if (item.at("import_error_id") == id) return JsonResponse(item);
  }
  return NotFound(fmt::format("no import error {}", id));
}

}  // namespace nightmill
