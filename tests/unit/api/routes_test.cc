// The table of routes and api/openapi.json say the same, in both directions.
#include "api/routes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <map>
#include <ostream>
#include <set>
#include <sstream>

#include "core/base/json.h"
#include "core/base/limits.h"

namespace nightmill {
namespace {

using nlohmann::json;

struct Operation {
  std::string role;
  std::string cap;
  std::set<std::string> query;
  bool has_etag = false;

  bool operator==(const Operation&) const = default;
};

void PrintTo(const Operation& operation, std::ostream* out) {
  *out << operation.role << " " << operation.cap << " etag=" << operation.has_etag << ":";
  for (const std::string& name : operation.query) *out << " " << name;
}

using Operations = std::map<std::string, Operation>;  // by "GET /path"

json LookUp(const json& spec, const json& part) {
  if (!part.contains("$ref")) return part;
  return LookUp(spec, spec.at(json::json_pointer(part.at("$ref").get<std::string>().substr(1))));
}

Operations OfFile() {
  std::ifstream file(std::string(NM_SOURCE_DIR) + "/api/openapi.json");
  const json spec = json::parse(file);
  Operations operations;
  for (const auto& [path, item] : spec.at("paths").items()) {
    for (const auto& [method, operation] : item.items()) {
      if (method == "parameters") continue;
      Operation& one = operations[method + " " + path];
      one.role = operation.at("x-nightmill-role");
      one.cap = operation.at("x-nightmill-body-cap");
      for (const json& list : {item.value("parameters", json::array()),
                               operation.value("parameters", json::array())}) {
        for (const json& part : list) {
          const json parameter = LookUp(spec, part);
          if (parameter.at("in") == "query") one.query.insert(parameter.at("name"));
        }
      }
      for (const auto& [code, answer] : operation.at("responses").items()) {
        if (code == "304") one.has_etag = true;
      }
    }
  }
  return operations;
}

std::string Lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

Operations OfTable() {
  Operations operations;
  for (const Route& route : Routes()) {
    Operation& one = operations[Lower(route.method) + " " + std::string(route.path)];
    one.role = ToString(route.role);
    one.cap = route.body_cap == 0                         ? "none"
              : route.body_cap == limits::kMaxRequestBody ? "request"
                                                          : "dag";
    std::istringstream words{std::string(route.query)};
    for (std::string word; words >> word;) one.query.insert(word);
    one.has_etag = route.method == "GET" && route.tagging != Tagging::kNone;
  }
  return operations;
}

TEST(RoutesTest, TableAndFileSayTheSame) {
  const Operations file = OfFile();
  const Operations table = OfTable();
  for (const auto& [name, operation] : file) {
    ASSERT_TRUE(table.contains(name)) << name << " is not served";
    EXPECT_EQ(table.at(name), operation) << name;
  }
  for (const auto& [name, operation] : table) {
    EXPECT_TRUE(file.contains(name)) << name << " is not in openapi.json";
  }
}

TEST(RoutesTest, LiteralSegmentsWin) {
  EXPECT_EQ(MatchRoute("POST", {"api", "v2", "dags", "validate"}).route->path,
            "/api/v2/dags/validate");
  const RouteMatch dag = MatchRoute("GET", {"api", "v2", "dags", "validate"});
  EXPECT_EQ(dag.route->path, "/api/v2/dags/{dag_id}");
  EXPECT_EQ(dag.params.at("dag_id"), "validate");
  const RouteMatch none = MatchRoute("DELETE", {"api", "v2", "dags"});
  EXPECT_EQ(none.route, nullptr);
  EXPECT_EQ(none.allow, "GET, HEAD");
  EXPECT_EQ(MatchRoute("GET", {"api", "v3"}).allow, "");
}

}  // namespace
}  // namespace nightmill
