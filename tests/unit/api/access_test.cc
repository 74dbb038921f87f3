// Who may do what: every route of the table by every kind of caller, and the rules on paths, hosts
// and origins that come before (reliability.md S1-S7).
#include "api/access.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/model/operator_catalog.h"
#include "store/store.h"
#include "tests/unit/store/support.h"

namespace nightmill {
namespace {

constexpr Instant kNow = InstantFromMicros(1'000'000'000);

// Nothing here gets as far as the scheduler.
class ClosedMailbox : public Mailbox {
 public:
  Result<command::ReplyBody> Call(Request, Duration) override { return Unavailable("closed"); }
  Status Look(std::function<void(const Engine&, Instant)>, Duration) override {
    return Unavailable("closed");
  }
  Status Write(std::vector<StoreRow>, Duration) override { return Unavailable("closed"); }
  void OnEvents(std::function<void(EventId)>) override {}
  void Stop(bool) override {}
};

class AccessTest : public testing::Test {
 protected:
  AccessTest() {
    std::vector<StoreRow> rows;
    for (const char* role : {"viewer", "operator", "author", "admin", "emperor"}) {
      rows.push_back(TokenRow{fmt::format("{}-1", role), TokenHash(role), role, kNow, {}, {}});
    }
    rows.push_back(TokenRow{"old-1", TokenHash("old"), "admin", kNow, kNow, {}});
    rows.push_back(TokenRow{"late-1", TokenHash("late"), "admin", kNow,
                            kNow + std::chrono::microseconds(1), {}});
    rows.push_back(TokenRow{"gone-1", TokenHash("gone"), "admin", kNow, {}, kNow});
    EXPECT_TRUE(store_.Commit({}, rows).ok());
  }

  // "ok", or the word of the refusal.
  std::string Try(const Route& route, std::vector<std::pair<std::string, std::string>> headers) {
    HttpRequest request;
    request.method = route.method;
    request.headers = std::move(headers);
    const Status allowed = Authorize(context_, route, request);
    if (!allowed.ok()) return std::string(ToString(allowed.error().code));
    EXPECT_EQ(request.principal.empty(), route.role == Role::kPublic);
    return "ok";
  }

  TempFolder folder_;
  Store store_ = OpenStore(folder_.File("nightmill.db"));
  ClosedMailbox mailbox_;
  OperatorCatalog catalog_;
  ApiContext context_{.mailbox = mailbox_,
                      .queries = OpenQueries(folder_.File("nightmill.db")),
                      .catalog = catalog_,
                      .state_dir = folder_.File(""),
                      .durability = "full",
                      .version = "0",
                      .now = [] { return kNow; }};
};

TEST_F(AccessTest, EveryRouteByEveryIdentity) {
  struct Identity {
    std::string secret;
    Role role;
  };
  const std::vector<Identity> known = {{"viewer", Role::kViewer},
                                       {"operator", Role::kOperator},
                                       {"author", Role::kAuthor},
                                       {"admin", Role::kAdmin},
                                       {"late", Role::kAdmin}};
  for (const Route& route : Routes()) {
    SCOPED_TRACE(fmt::format("{} {}", route.method, route.path));
    const bool open = route.role == Role::kPublic;
    const std::string stranger = open ? "ok" : "unauthenticated";
    EXPECT_EQ(Try(route, {}), stranger);
    for (const char* secret : {"", "nobody", "old", "gone", "Admin"}) {
      EXPECT_EQ(Try(route, {{"authorization", fmt::format("Bearer {}", secret)}}), stranger);
      EXPECT_EQ(Try(route, {{"cookie", fmt::format("nm_session={}", secret)}}), stranger);
    }
    EXPECT_EQ(Try(route, {{"authorization", "admin"}}), stranger) << "not as Bearer";
    EXPECT_EQ(Try(route, {{"cookie", "session=admin"}}), stranger) << "another cookie";
    EXPECT_EQ(Try(route, {{"authorization", "Bearer emperor"}}), open ? "ok" : "forbidden");
    for (const Identity& one : known) {
      const std::string fits = open || one.role >= route.role ? "ok" : "forbidden";
      EXPECT_EQ(Try(route, {{"authorization", fmt::format("Bearer {}", one.secret)}}), fits);
      const std::string cookie = fmt::format("a=b; nm_session={}", one.secret);
      EXPECT_EQ(Try(route, {{"cookie", cookie}, {"x-nightmill", "1"}}), fits);
      // Another site can send the cookie along, but not this header.
      const bool reads = open || route.method == "GET";
      EXPECT_EQ(Try(route, {{"cookie", cookie}}), reads ? fits : "forbidden");
    }
  }
}

TEST_F(AccessTest, NoRouteChangesAnythingForTheAsking) {
  for (const Route& route : Routes()) {
    const bool reads = route.method == "GET" || route.path.ends_with("/validate") ||
                       route.path.ends_with("/dry_run") || route.path == "/auth/logout";
    const bool login = route.path == "/auth/token" || route.path == "/auth/login";
    EXPECT_TRUE(reads || login || route.role >= Role::kOperator) << route.method << route.path;
    EXPECT_TRUE(!login || route.role == Role::kPublic) << route.path;
  }
}

TEST_F(AccessTest, PathsThatMeanSomethingElseAreRefused) {
  const auto segments = [](std::string_view target) -> std::vector<std::string> {
    HttpRequest request;
    const Status parsed = ParseTarget(target, request);
    return parsed.ok() ? request.segments : std::vector<std::string>{"refused"};
  };
  using Segments = std::vector<std::string>;
  EXPECT_EQ(segments("/"), Segments{});
  EXPECT_EQ(segments("/api/v2/dags?limit=1"), (Segments{"api", "v2", "dags"}));
  EXPECT_EQ(segments("/dags/a%20b/"), (Segments{"dags", "a b"}));
  EXPECT_EQ(segments("/runs/manual__2026-01-01T00:00:00%2B00:00"),
            (Segments{"runs", "manual__2026-01-01T00:00:00+00:00"}));
  for (const char* target :
       {"", "api", "*", "http://127.0.0.1/api", "//api", "/a//b", "/a/../b", "/a/./b", "/..",
        "/a/%2e%2e/b", "/a/%2E./b", "/a%2fb", "/a%2Fb", "/a%5cb", "/a\\b", "/a;b", "/a%3bb",
        "/a%00", "/a?b=%00", "/a%zz", "/a%2"}) {
    EXPECT_EQ(segments(target), Segments{"refused"}) << target;
  }
}

TEST_F(AccessTest, OnlyOurHostAndForChangesOurOrigin) {
  const auto allowed = [](std::string method, std::string host, std::string origin,
                          std::string site = "") {
    HttpRequest request;
    request.method = std::move(method);
    request.headers = {{"host", std::move(host)}};
    if (!origin.empty()) request.headers.emplace_back("origin", std::move(origin));
    if (!site.empty()) request.headers.emplace_back("sec-fetch-site", std::move(site));
    return CheckHostAndOrigin(request, {"mill.example"}).ok();
  };
  for (const char* host : {"localhost", "LOCALHOST:7420", "127.0.0.1:1", "[::1]:7420",
                           "mill.example", "mill.example:443"}) {
    EXPECT_TRUE(allowed("GET", host, "")) << host;
  }
  for (const char* host : {"", "evil.example", "localhost.evil.example", "mill.example.evil",
                           "127.0.0.1.evil.example", "[::2]"}) {
    EXPECT_FALSE(allowed("GET", host, "")) << host;
  }
  EXPECT_TRUE(allowed("POST", "localhost:7420", "http://localhost:7420"));
  EXPECT_TRUE(allowed("POST", "localhost:7420", "http://localhost:7420", "same-origin"));
  EXPECT_FALSE(allowed("POST", "localhost:7420", "http://localhost:7421"));
  EXPECT_FALSE(allowed("POST", "localhost:7420", "http://evil.example"));
  EXPECT_FALSE(allowed("POST", "localhost:7420", "null"));
  EXPECT_FALSE(allowed("DELETE", "localhost:7420", "", "cross-site"));
  EXPECT_TRUE(allowed("GET", "localhost:7420", "http://evil.example", "cross-site"));
}

}  // namespace
}  // namespace nightmill
