// All routes as one table: method, path template, role, body cap, handler, query parameters, kind
// of ETag. A row without a role does not compile; deny is the default, since what is not in the
// table is 404. A test holds the table against openapi.json, both ways; the test of every route by
// every identity is generated from it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "api/http.h"
#include "core/base/result.h"
#include "core/model/operator_catalog.h"
#include "scheduler/daemon/alerts/desk.h"
#include "scheduler/daemon/mailbox.h"
#include "store/queries.h"

namespace nightmill {

class LoginCodes;

// Ascending: each role may do what the ones before it may.
enum class Role : std::uint8_t { kPublic, kViewer, kOperator, kAuthor, kAdmin };
std::string_view ToString(Role role);
std::optional<Role> ParseRole(std::string_view word);

// What handlers may use. One per API thread.
struct ApiContext {
  Mailbox& mailbox;
  Queries queries;
  const OperatorCatalog& catalog;
  std::string state_dir;   // base of log paths
  std::string durability;  // "full" or "process"
  std::string version;     // of this release
  bool paused_upon_creation = true;
  bool shares_root = false;  // tasks run as root
  LoginCodes* login_codes = nullptr;
  AlertDesk* alerts = nullptr;
  std::function<Instant()> now;
};

using Handler = Result<HttpResponse> (*)(ApiContext&, const HttpRequest&);

// ETag of an answer (product.md 4.3): of an entry strong and a hash of it; of a list weak and the
// number of the newest event, so that 304 needs no look at the rows; of page data with parts that
// change with time alone, also the minute.
enum class Tagging : std::uint8_t { kNone, kEntry, kList, kPage };

struct Route {
  std::string_view method;
  std::string_view path;  // "/api/v2/dags/{dag_id}"
  Role role;
  std::size_t body_cap;  // 0: a body is refused
  Handler handler;
  std::string_view query = {};  // allowed parameters, separated by spaces
  Tagging tagging = Tagging::kNone;
};

std::span<const Route> Routes();

struct RouteMatch {
  const Route* route = nullptr;  // null: no such path or not with this method
  std::string allow;             // methods of the path, as the header Allow; "" = no such path
  std::map<std::string, std::string, std::less<>> params;
};
RouteMatch MatchRoute(std::string_view method, const std::vector<std::string>& segments);

// The strong ETag of an entry with this body.
std::string EntryTag(std::string_view body);

// Calls the handler of the matched route with what all of them share: parameters that the route
// does not know are refused by name, ETags are made and compared, errors become problem+json.
HttpResponse Dispatch(ApiContext& context, const Route& route, const HttpRequest& request);

}  // namespace nightmill
