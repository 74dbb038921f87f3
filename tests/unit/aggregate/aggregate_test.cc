// `aggregate` beside a naive reference on seeded random tables, and what must never depend on how
// the rows lie or who counts them.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <random>
#include <set>

#include "core/base/time.h"
#include "tests/unit/operators/operator_harness.h"

namespace nightmill {
namespace {

using Json = nlohmann::json;

// One event; null where there is none.
struct Event {
  std::optional<std::string> user;
  std::int64_t at = 0;  // seconds since 1970
  std::string day;      // its partition: the UTC date of `at`
  std::optional<std::string> type;
  std::optional<std::string> session;
  std::optional<std::int64_t> n;
  std::optional<double> x;
};

constexpr std::int64_t kDaySeconds = 86'400;
constexpr std::int64_t kFirstDay = 15'095;  // 2011-05-01

std::string DayText(std::int64_t day) {
  return FormatDate(InstantFromMicros(day * kDaySeconds * 1'000'000));
}
std::string AtText(std::int64_t at) { return FormatInstant(InstantFromMicros(at * 1'000'000)); }

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  std::int64_t Below(std::int64_t n) {
    return static_cast<std::int64_t>(engine_() % static_cast<std::uint64_t>(n));
  }
  bool OneIn(std::int64_t n) { return Below(n) == 0; }

 private:
  std::mt19937_64 engine_;
};

// Sessions of every packing: short, hex, UUID, long. Values with cents, huge, tiny, NaN, -0.0.
std::vector<Event> MakeEvents(unsigned seed, int rows, int users, int days) {
  Random random(seed);
  const double values[] = {0.1, 0.25, -0.0, 1e300, -1e300, 1e-300, 12.34, 1e15};
  std::vector<Event> events;
  for (int i = 0; i < rows; ++i) {
    Event e;
    if (!random.OneIn(50)) e.user = "user " + std::to_string(random.Below(users));
    const std::int64_t day = kFirstDay + random.Below(days);
    e.at = day * kDaySeconds + random.Below(kDaySeconds);
    e.day = DayText(day);
    if (!random.OneIn(20)) e.type = std::string(1, static_cast<char>('a' + random.Below(4)));
    const std::int64_t s = random.Below(rows / 4 + 1);
    const std::string hex =
        fmt::format("{:016x}", static_cast<std::uint64_t>(s) * 0x9E3779B97F4A7C15u);
    const std::string forms[] = {std::to_string(s), hex,
                                 hex.substr(0, 8) + "-1234-1234-1234-" + hex.substr(4, 12),
                                 "a session with a long name " + hex, ""};
    if (!random.OneIn(30)) e.session = forms[random.Below(5)];
    if (!random.OneIn(10)) e.n = random.Below(2'000) - 1'000;
    if (!random.OneIn(5)) {
      e.x = random.OneIn(3) ? static_cast<double>(random.Below(100'000)) / 100
                            : values[random.Below(8)];
      if (random.OneIn(500)) e.x = std::nan("");
    }
    events.push_back(e);
  }
  return events;
}

// Each event `copies` times in a row, by the same user in the same session.
std::vector<Event> InBursts(const std::vector<Event>& events, int copies, unsigned seed) {
  Random random(seed);
  std::vector<Event> out;
  for (const Event& first : events) {
    for (int i = 0; i < copies; ++i) {
      const auto other = random.Below(static_cast<std::int64_t>(events.size()));
      Event e = events[static_cast<std::size_t>(other)];
      e.user = first.user;
      e.session = first.session;
      e.at = first.at;
      e.day = first.day;
      out.push_back(e);
    }
  }
  return out;
}

std::string Cell(const std::optional<std::string>& v) { return v ? "\"" + *v + "\"" : ""; }

std::string CsvOf(const std::vector<Event>& events, const std::string& day) {
  std::string csv = "user,at,type,session,n,x\n";
  for (const Event& e : events) {
    if (e.day != day) continue;
    csv += fmt::format("{},{},{},{},{},{}\n", Cell(e.user), AtText(e.at), Cell(e.type),
                       Cell(e.session), e.n ? std::to_string(*e.n) : "",
                       e.x ? fmt::format("{}", *e.x) : "");
  }
  return csv;
}

const Json kSchema = {{"user", "string"},    {"at", "timestamp"}, {"type", "string"},
                      {"session", "string"}, {"n", "int64"},      {"x", "float64"}};

void LoadAll(OperatorHarness& h, const std::vector<Event>& events, int rows_per_file,
             const std::string& table = "lake") {
  std::set<std::string> days;
  for (const Event& e : events) days.insert(e.day);
  for (const std::string& day : days) {
    const Json report =
        h.Load(table, kSchema, CsvOf(events, day),
               {{"partition", {{"day", day}}}, {"max_rows_per_file", rows_per_file}});
    ASSERT_EQ(report.value("outcome", ""), "published") << report;
  }
}

Json Feature(const std::string& name, const std::string& fn, const std::string& col,
             const Json& more = {}) {
  Json f = {{"name", name}, {"fn", fn}};
  if (!col.empty()) f["col"] = col;
  if (more.is_object()) f.update(more);
  return f;
}

// Every function, with and without `where`.
Json AllFeatures() {
  const Json a = {{"where", "type = 'a'"}};
  const Json big = {{"where", "n > 0 and type <> 'b'"}};
  return Json::array(
      {Feature("rows", "count", ""),
       Feature("ns", "count", "n"),
       Feature("a_rows", "count", "", a),
       Feature("bigs", "count_if", "", big),
       Feature("sum_n", "sum", "n"),
       Feature("avg_n", "avg", "n", a),
       Feature("sum_x", "sum", "x"),
       Feature("sum_x_a", "sum", "x", {{"where", "type = 'a'"}, {"otherwise", 0}}),
       Feature("avg_x", "avg", "x", big),
       Feature("min_n", "min", "n"),
       Feature("max_n", "max", "n", {{"where", "type = 'a'"}, {"otherwise", 5}}),
       Feature("min_x", "min", "x"),
       Feature("max_x", "max", "x"),
       Feature("min_t", "min", "type"),
       Feature("max_t", "max", "type", big),
       Feature("first_at", "min", "at"),
       Feature("last_at", "max", "at"),
       Feature("sessions", "count_distinct", "session"),
       Feature("sessions_a", "distinct", "session", a),
       Feature("types", "count_distinct", "type"),
       Feature("numbers", "count_distinct", "n"),
       Feature("days", "active_days", "at"),
       Feature("first_n", "first", "n", {{"order_by", "at"}}),
       Feature("last_s", "last", "session", {{"order_by", "at"}, {"where", "type = 'a'"}}),
       Feature("var_n", "variance", "n"),
       Feature("dev_n", "stddev", "n", {{"ddof", 0}})});
}

Json Spec(const std::string& out, int days, const std::string& as_of) {
  return {{"type", "aggregate"},
          {"as_of", as_of},
          {"in", {{"path", "lake"}, {"partition_by", "day"}}},
          {"window", {{"days", days}, {"by", "day"}}},
          {"keys", {"user"}},
          {"features", AllFeatures()},
          {"derived",
           {{{"name", "share"}, {"expr", "if(rows > 0, a_rows / rows, 0.0)"}},
            {{"name", "since"}, {"expr", "date_diff(as_of, date(last_at))"}}}},
          {"out", {{"path", out}, {"partition", {{"as_of", as_of}}}}}};
}

// --- The reference -------------------------------------------------------------------------------

// Correctly rounded sum of doubles: exact in long steps of Shewchuk's expansions.
double ExactSum(const std::vector<double>& values) {
  std::vector<double> parts;
  for (double v : values) {
    std::vector<double> next;
    for (double part : parts) {
      if (std::fabs(v) < std::fabs(part)) std::swap(v, part);
      const double high = v + part;
      const double low = part - (high - v);
      if (low != 0) next.push_back(low);
      v = high;
    }
    next.push_back(v);
    parts = std::move(next);
  }
  // Parts do not overlap and grow: add from the greatest, then mend a tie by the next one's sign.
  if (parts.empty()) return 0;
  std::size_t i = parts.size() - 1;
  double high = parts[i], low = 0;
  while (i > 0) {
    const double v = parts[--i];
    const double sum = high + v;
    low = v - (sum - high);
    high = sum;
    if (low != 0) break;
  }
  if (i > 0 && low != 0 && (low < 0) == (parts[i - 1] < 0)) {
    const double twice = low * 2;
    if (high + twice - high == twice) high += twice;
  }
  return high;
}

Json Number(double v) {
  if (std::isnan(v)) return "NaN";
  return v == 0 ? 0.0 : v;
}

using Pick = std::function<bool(const Event&)>;
bool All(const Event&) { return true; }
bool IsA(const Event& e) { return e.type == "a"; }
bool IsBig(const Event& e) { return e.n && *e.n > 0 && e.type && *e.type != "b"; }

struct Group {
  std::vector<Event> events;

  template <class T, class F>
  std::vector<T> Values(const Pick& pick, F get) const {
    std::vector<T> out;
    for (const Event& e : events) {
      if (pick(e) && get(e)) out.push_back(*get(e));
    }
    return out;
  }
  std::vector<std::int64_t> N(const Pick& pick) const {
    return Values<std::int64_t>(pick, [](const Event& e) { return e.n; });
  }
  std::vector<double> X(const Pick& pick) const {
    return Values<double>(pick, [](const Event& e) { return e.x; });
  }
  std::vector<std::string> Types(const Pick& pick) const {
    return Values<std::string>(pick, [](const Event& e) { return e.type; });
  }
  std::int64_t Count(const Pick& pick) const {
    return std::count_if(events.begin(), events.end(), pick);
  }
};

template <class T>
Json MinOf(const std::vector<T>& v) {
  return v.empty() ? Json() : Json(*std::min_element(v.begin(), v.end()));
}
template <class T>
Json MaxOf(const std::vector<T>& v) {
  return v.empty() ? Json() : Json(*std::max_element(v.begin(), v.end()));
}
bool NanLast(double a, double b) { return std::isnan(b) ? !std::isnan(a) : a < b; }

Json SumX(const std::vector<double>& v) {
  if (v.empty()) return {};
  for (const double x : v) {
    if (std::isnan(x)) return "NaN";
  }
  return Number(ExactSum(v));
}
Json AvgX(const std::vector<double>& v) {
  const Json sum = SumX(v);
  if (!sum.is_number()) return sum;
  return Number(sum.get<double>() / static_cast<double>(v.size()));
}

template <class T>
Json Distinct(const std::vector<T>& v) {
  return std::set<T>(v.begin(), v.end()).size();
}

// Sum of squares and square of the sum are small integers here: exact.
Json Variance(const std::vector<std::int64_t>& v, std::int64_t ddof) {
  const auto n = static_cast<std::int64_t>(v.size());
  if (n <= ddof) return {};
  std::int64_t sum = 0, squares = 0;
  for (const std::int64_t x : v) sum += x, squares += x * x;
  const long double above = static_cast<long double>(n * squares - sum * sum);
  return Number(static_cast<double>(above / static_cast<long double>(n * (n - ddof))));
}

// The value at the smallest (sign 1) or greatest (-1) time; of equal times by the value.
template <class T, class F>
Json Ordered(const std::vector<Event>& events, const Pick& pick, int sign, F get) {
  std::optional<std::pair<std::int64_t, T>> best;
  for (const Event& e : events) {
    if (!pick(e) || !get(e)) continue;
    const std::pair<std::int64_t, T> here{e.at, *get(e)};
    if (!best || (sign > 0 ? here < *best : *best < here)) best = here;
  }
  return best ? Json(best->second) : Json();
}

Json Expected(const Group& g, std::int64_t as_of) {
  Json row;
  const auto n = g.N(All);
  const auto x = g.X(All);
  row["rows"] = g.events.size();
  row["ns"] = n.size();
  row["a_rows"] = g.Count(IsA);
  row["bigs"] = g.Count(IsBig);
  row["sum_n"] = n.empty() ? Json() : Json(std::accumulate(n.begin(), n.end(), std::int64_t{0}));
  const auto na = g.N(IsA);
  const auto sum_a = std::accumulate(na.begin(), na.end(), std::int64_t{0});
  row["avg_n"] =
      na.empty() ? Json() : Number(static_cast<double>(sum_a) / static_cast<double>(na.size()));
  row["sum_x"] = SumX(x);
  auto otherwise = g.X(IsA);
  const auto unmatched = static_cast<std::size_t>(g.Count([](const Event& e) { return !IsA(e); }));
  otherwise.insert(otherwise.end(), unmatched, 0.0);
  row["sum_x_a"] = SumX(otherwise);
  row["avg_x"] = AvgX(g.X(IsBig));
  row["min_n"] = MinOf(n);
  auto max_n = na;
  if (unmatched > 0) max_n.push_back(5);
  row["max_n"] = MaxOf(max_n);
  row["min_x"] = x.empty() ? Json() : Number(*std::min_element(x.begin(), x.end(), NanLast));
  row["max_x"] = x.empty() ? Json() : Number(*std::max_element(x.begin(), x.end(), NanLast));
  row["min_t"] = MinOf(g.Types(All));
  row["max_t"] = MaxOf(g.Types(IsBig));
  std::vector<std::int64_t> at;
  std::set<std::string> days;
  for (const Event& e : g.events) at.push_back(e.at), days.insert(e.day);
  row["first_at"] = AtText(*std::min_element(at.begin(), at.end()));
  const std::int64_t last = *std::max_element(at.begin(), at.end());
  row["last_at"] = AtText(last);
  const auto session = [](const Event& e) { return e.session; };
  row["sessions"] = Distinct(g.Values<std::string>(All, session));
  row["sessions_a"] = Distinct(g.Values<std::string>(IsA, session));
  row["types"] = Distinct(g.Types(All));
  row["numbers"] = Distinct(n);
  row["days"] = days.size();
  row["first_n"] = Ordered<std::int64_t>(g.events, All, 1, [](const Event& e) { return e.n; });
  row["last_s"] = Ordered<std::string>(g.events, IsA, -1, session);
  row["var_n"] = Variance(n, 1);
  const Json var = Variance(n, 0);
  row["dev_n"] = var.is_null() ? var : Number(std::sqrt(var.get<double>()));
  row["share"] = static_cast<double>(g.Count(IsA)) / static_cast<double>(g.events.size());
  row["since"] = as_of - last / kDaySeconds;
  return row;
}

std::map<std::string, Json> Reference(const std::vector<Event>& events, int days,
                                      std::int64_t as_of) {
  std::map<std::string, Group> groups;
  for (const Event& e : events) {
    const std::int64_t day = e.at / kDaySeconds;
    if (day > as_of || day <= as_of - days) continue;
    groups[e.user ? "=" + *e.user : ""].events.push_back(e);
  }
  std::map<std::string, Json> rows;
  for (const auto& [user, group] : groups) rows[user] = Expected(group, as_of);
  return rows;
}

std::map<std::string, Json> ByUser(const Json& rows) {
  std::map<std::string, Json> out;
  for (Json row : rows) {
    const std::string user = row["user"].is_null() ? "" : "=" + row["user"].get<std::string>();
    row.erase("user");
    row.erase("as_of");
    for (Json& cell : row) {
      if (cell.is_number_float() && cell.get<double>() == 0) cell = 0.0;
    }
    EXPECT_TRUE(out.emplace(user, row).second) << "user twice: " << user;
  }
  return out;
}

TEST(Aggregate, IsTheNaiveReference) {
  struct Case {
    unsigned seed;
    int rows, users, days, window;
    std::int64_t as_of;  // days after the first
    int copies = 1;      // 6: repeated sessions travel once
  };
  for (const Case& c :
       {Case{1, 3'000, 40, 10, 7, 8}, Case{2, 3'000, 2'000, 3, 1, 1}, Case{3, 500, 1, 5, 31, 4},
        Case{4, 5'000, 300, 12, 5, 11}, Case{5, 1'000, 40, 4, 3, 2, 6}}) {
    SCOPED_TRACE(c.seed);
    OperatorHarness h;
    const auto events =
        InBursts(MakeEvents(c.seed, c.rows, c.users, c.days), c.copies, c.seed + 100);
    LoadAll(h, events, 300 * c.copies);
    const std::int64_t as_of = kFirstDay + c.as_of;
    const Json report = h.Report(Spec("out", c.window, DayText(as_of)));
    ASSERT_EQ(report.value("outcome", ""), "published") << report;
    const auto want = Reference(events, c.window, as_of);
    const auto got = ByUser(h.Rows("out"));
    ASSERT_EQ(got.size(), want.size());
    for (const auto& [user, row] : want) {
      ASSERT_TRUE(got.contains(user)) << user;
      ASSERT_EQ(got.at(user), row) << user << "\n" << Json::diff(row, got.at(user));
    }
  }
}

TEST(Aggregate, BytesDependOnTheRowsAlone) {
  auto events = MakeEvents(7, 4'000, 500, 4);
  const std::string as_of = DayText(kFirstDay + 3);
  std::map<std::string, std::string> want;
  std::mt19937 shuffle(5);
  for (const int threads : {1, 2, 3}) {
    OperatorHarness h;
    LoadAll(h, events, threads == 2 ? 100'000 : 97);
    h.context.threads = threads;
    ASSERT_EQ(h.Report(Spec("out", 4, as_of))["outcome"], "published");
    const auto files = h.dir.Files("out/data");
    if (want.empty()) want = files;
    EXPECT_EQ(files, want) << threads;
    std::shuffle(events.begin(), events.end(), shuffle);
  }
}

TEST(Aggregate, EarlyFoldsGiveTheSameBytesOrTheBudgetIsTooSmall) {
  const auto events = MakeEvents(8, 205'000, 60, 2);
  const std::string as_of = DayText(kFirstDay + 1);
  OperatorHarness h;
  LoadAll(h, events, 20'000);
  std::string log;
  h.context.log = [&log](std::string_view line) { log = line; };
  Json spec = Spec("out", 2, as_of);
  Json few = Json::array();
  for (const Json& feature : spec["features"]) {
    if (feature["fn"] != "count_distinct" && feature["fn"] != "distinct") few.push_back(feature);
  }
  const Json all = spec["features"];
  spec["features"] = few;
  ASSERT_EQ(h.Report(spec)["outcome"], "published");
  EXPECT_NE(log.find("4 partitions, 0 early folds"), std::string::npos) << log;
  spec["out"]["path"] = "tight";
  spec["memory"] = "17MB";
  const Json tight = h.Report(spec);
  ASSERT_EQ(tight.value("outcome", ""), "published") << tight;
  EXPECT_EQ(log.find(" 0 early folds"), std::string::npos) << log;
  EXPECT_EQ(h.dir.Files("tight/data"), h.dir.Files("out/data"));
  // Distinct sessions do not fit.
  spec["features"] = all;
  spec["out"]["path"] = "small";
  const Json small = h.Report(spec);
  ASSERT_TRUE(small.contains("error")) << small;
  EXPECT_EQ(small["error"]["code"], "oom_budget") << small;
  EXPECT_NE(small["error"]["hint"].get<std::string>().find("\"memory\": \""), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(h.dir.At("small")));
  // What a spec asks for goes before the default, and a cap before what it asks for.
  h.context.memory_bytes = 17'000'000;
  spec["memory"] = "300MB";
  EXPECT_EQ(h.Report(spec).value("outcome", ""), "published");
  h.context.memory_cap = 17'000'000;
  spec["out"]["path"] = "capped";
  EXPECT_EQ(h.Report(spec)["error"]["code"], "oom_budget");
}

TEST(Aggregate, ASecondRunIsANoOpAndOldDaysDoNotMatter) {
  OperatorHarness h;
  const auto events = MakeEvents(9, 900, 20, 6);
  LoadAll(h, events, 1'000);
  const Json spec = Spec("out", 2, DayText(kFirstDay + 4));
  const Json first = h.Report(spec);
  ASSERT_EQ(first["outcome"], "published");
  const auto files = h.dir.Files("out");
  EXPECT_EQ(h.Report(spec)["outcome"], "unchanged");
  // A day before the window and one after it change nothing.
  for (const std::int64_t day : {0, 5}) {
    h.Load("lake", kSchema, "user,at,type,session,n,x\nz,2011-05-01T00:00:00Z,a,s,1,1\n",
           {{"partition", {{"day", DayText(kFirstDay + day)}}}});
    EXPECT_EQ(h.Report(spec)["outcome"], "unchanged");
  }
  EXPECT_EQ(h.dir.Files("out"), files);
  h.Load("lake", kSchema, "user,at,type,session,n,x\nz,2011-05-05T00:00:00Z,a,s,1,1\n",
         {{"partition", {{"day", DayText(kFirstDay + 4)}}}});
  EXPECT_EQ(h.Report(spec)["outcome"], "published");
}

// By a timestamp column the window ends at local midnights: in Madrid 22:00 UTC in summer.
TEST(Aggregate, WindowOfLocalDays) {
  OperatorHarness h;
  h.Load("lake", {{"user", "string"}, {"at", "timestamp"}},
         "user,at\n"
         "a,2011-03-25T22:59:59.999999Z\n"
         "a,2011-03-25T23:00:00Z\n"         // midnight of the 26th, winter time
         "a,2011-03-27T21:59:59.999999Z\n"  // last of the 27th, a day of 23 hours
         "a,2011-03-27T22:00:00Z\n"
         "a,\n");
  const Json spec = {{"type", "aggregate"},
                     {"as_of", "2011-03-27"},
                     {"in", {{"path", "lake"}}},
                     {"window", {{"days", 2}, {"by", "at"}, {"timezone", "Europe/Madrid"}}},
                     {"keys", {"user"}},
                     {"features",
                      {{{"name", "rows"}, {"fn", "count"}},
                       {{"name", "days"}, {"fn", "active_days"}, {"col", "at"}}}},
                     {"out", {{"path", "out"}}}};
  ASSERT_EQ(h.Report(spec)["outcome"], "published");
  EXPECT_EQ(h.Rows("out"), Json::parse(R"([{"user":"a","rows":2,"days":2}])"));
}

TEST(Aggregate, NullKeysAreKeptDroppedOrRefused) {
  OperatorHarness h;
  h.Load("lake", {{"k", "int64"}, {"v", "int64"}}, "k,v\n1,1\n,2\n,3\n0,4\n");
  Json spec = {{"type", "aggregate"},
               {"in", {{"path", "lake"}}},
               {"keys", {"k"}},
               {"features", {{{"name", "s"}, {"fn", "sum"}, {"col", "v"}}}},
               {"out", {{"path", "keep"}}}};
  ASSERT_EQ(h.Report(spec)["outcome"], "published");
  std::map<std::string, int> sums;
  for (const Json& row : h.Rows("keep")) sums[row["k"].dump()] = row["s"];
  EXPECT_EQ(sums, (std::map<std::string, int>{{"0", 4}, {"1", 1}, {"null", 5}}));
  spec["null_key"] = "drop";
  spec["out"]["path"] = "drop";
  EXPECT_EQ(h.Report(spec)["warnings"], Json::array({"2 null keys dropped"}));
  EXPECT_EQ(h.Rows("drop").size(), 2u);
  spec["null_key"] = "fail";
  spec["out"]["path"] = "fail";
  const Json error = h.Report(spec)["error"];
  EXPECT_EQ(error["code"], "bad_input");
  EXPECT_EQ(error["column"], "k");
  EXPECT_EQ(error["row"], 1);
}

// Numbers say the same of the key 0 and of a null one, and of a row inside and outside of a filter.
TEST(Aggregate, RepeatsOfOneKeyAreNotThoseOfAnother) {
  OperatorHarness h;
  std::string csv = "k,v,use\n";
  for (const char* row : {"0,1,true", ",1,true", ",2,true", "7,3,false", "7,3,true"}) {
    for (int i = 0; i < 6; ++i) csv += std::string(row) + "\n";
  }
  h.Load("lake", {{"k", "int64"}, {"v", "int64"}, {"use", "bool"}}, csv);
  const Json spec = {{"type", "aggregate"},
                     {"in", {{"path", "lake"}, {"filter", "use"}}},
                     {"keys", {"k"}},
                     {"features", {{{"name", "vs"}, {"fn", "count_distinct"}, {"col", "v"}}}},
                     {"out", {{"path", "out"}}}};
  const Json report = h.Report(spec);
  ASSERT_EQ(report.value("outcome", ""), "published") << report;
  std::map<std::string, int> counts;
  for (const Json& row : h.Rows("out")) counts[row["k"].dump()] = row["vs"];
  EXPECT_EQ(counts, (std::map<std::string, int>{{"0", 1}, {"7", 1}, {"null", 2}}));
}

TEST(Aggregate, AFailedOutputCheckPublishesNothing) {
  OperatorHarness h;
  h.Load("lake", {{"k", "int64"}}, "k\n1\n2\n");
  Json spec = {{"type", "aggregate"},
               {"in", {{"path", "lake"}}},
               {"keys", {"k"}},
               {"features", {{{"name", "rows"}, {"fn", "count"}}}},
               {"out", {{"path", "out"}}}};
  ASSERT_EQ(h.Report(spec)["outcome"], "published");
  const auto before = h.dir.Files("out");
  for (const char* side : {"input", "output"}) {
    spec["checks"] = {{side, {{{"type", "row_count_between"}, {"min", 3}}}}};
    const Json error = h.Report(spec)["error"];
    EXPECT_EQ(error["code"], "check") << error;
    EXPECT_FALSE(error["detail"]["success"].get<bool>());
    EXPECT_EQ(h.dir.Files("out"), before);
  }
  spec["checks"]["output"][0]["severity"] = "warn";
  spec["checks"].erase("input");
  const Json warned = h.Report(spec);
  EXPECT_EQ(warned["outcome"], "published");
  EXPECT_EQ(warned["warnings"].size(), 1u);
}

TEST(Aggregate, BadSpecsAndInputsAreNamed) {
  OperatorHarness h;
  h.Load("lake", {{"k", "int64"}, {"v", "int64"}, {"t", "string"}},
         "k,v,t\n1,9223372036854775807,x\n1,9223372036854775807,y\n");
  const Json good = {{"type", "aggregate"},
                     {"in", {{"path", "lake"}}},
                     {"keys", {"k"}},
                     {"features", {{{"name", "rows"}, {"fn", "count"}}}},
                     {"out", {{"path", "out"}}}};
  ASSERT_EQ(h.Report(good)["outcome"], "published");
  const auto before = h.dir.Files("out");
  const auto with = [&good](const char* pointer, Json value) {
    Json spec = good;
    spec[Json::json_pointer(pointer)] = std::move(value);
    return spec;
  };
  const std::pair<Json, Json> cases[] = {
      {with("/keys", {"nope"}),
       {{"code", "bad_spec"},
        {"reason", "missing_column"},
        {"column", "nope"},
        {"file", h.dir.At("lake")}}},
      {with("/features/0", {{"name", "s"}, {"fn", "sum"}, {"col", "t"}}), {{"code", "bad_spec"}}},
      {with("/features/0", {{"name", "s"}, {"fn", "mode"}, {"col", "t"}}), {{"code", "bad_spec"}}},
      {with("/features/0/where", "v >"), {{"code", "bad_spec"}}},
      {with("/features/0", {{"name", "s"}, {"fn", "sum"}, {"col", "v"}}),
       {{"code", "bad_input"}, {"reason", "overflow"}, {"column", "s"}}},
      {with("/derived", {{{"name", "d"}, {"expr", "1 / (rows - 2)"}}}),
       {{"code", "bad_input"}, {"column", "d"}}},
      {with("/in/path", "nowhere"), {{"code", "io"}, {"reason", "not_found"}}},
      {with("/window", {{"days", 1}, {"by", "k"}}), {{"code", "bad_spec"}}},
      {with("/colour", "red"), {{"code", "bad_spec"}}},
  };
  for (const auto& [spec, want] : cases) {
    const Json report = h.Report(spec);
    ASSERT_TRUE(report.contains("error")) << spec << report;
    for (const auto& [key, value] : want.items()) {
      EXPECT_EQ(report["error"].value(key, Json()), value) << key << " of " << report;
    }
    EXPECT_EQ(h.dir.Files("out"), before);
  }
}

}  // namespace
}  // namespace nightmill
