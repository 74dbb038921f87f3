// The expression language: each case is a text over one small table and what comes out, row by row.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "operators/expr/ast.h"
#include "operators/expr/bind.h"

namespace nightmill::expr {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Four rows; the last is null in every column but `n`.
struct Table {
  std::array<std::int64_t, 4> a{1, -7, 0, 99};
  std::array<std::int64_t, 4> b{2, 3, 0, 99};
  std::array<double, 4> x{0.5, kNan, -0.0, 99};
  std::array<std::string_view, 4> s{"page_view", "click", "", "99"};
  std::array<std::int64_t, 4> flag{1, 0, 1, 1};
  std::array<std::int64_t, 4> day{15'000, 15'001, 0, 99};
  std::array<std::int64_t, 4> ts{15'000 * kDayMicros + 1, 15'001 * kDayMicros - 1, -1, 99};
  std::array<std::int64_t, 4> n{1, 2, 3, 4};
  std::array<std::uint8_t, 4> valid{1, 1, 1, 0};
  std::vector<Field> fields{{"a", DataType::kInt64},        {"b", DataType::kInt64},
                            {"x", DataType::kDouble},       {"s", DataType::kString},
                            {"flag", DataType::kBool},      {"day", DataType::kDate},
                            {"ts", DataType::kTimestamp},   {"n", DataType::kInt64},
                            {"odd name", DataType::kInt64}, {"wall", DataType::kLocalTimestamp}};
  std::vector<Vector> columns;
  BindContext context;

  Table() {
    const auto ints = [this](DataType type, const std::array<std::int64_t, 4>& values, bool nulls) {
      Vector v;
      v.type = type;
      v.size = 4;
      v.valid = nulls ? valid.data() : nullptr;
      v.ints = values.data();
      columns.push_back(v);
    };
    ints(DataType::kInt64, a, true);
    ints(DataType::kInt64, b, true);
    columns.push_back({DataType::kDouble, 4, false, valid.data(), nullptr, x.data(), nullptr, {}});
    columns.push_back({DataType::kString, 4, false, valid.data(), nullptr, nullptr, s.data(), {}});
    ints(DataType::kBool, flag, true);
    ints(DataType::kDate, day, true);
    ints(DataType::kTimestamp, ts, true);
    ints(DataType::kInt64, n, false);
    ints(DataType::kInt64, n, false);
    ints(DataType::kLocalTimestamp, ts, true);
    context.fields = fields;
    context.constants.emplace("as_of", Value::Date(15'003));
    context.constants.emplace("data_interval_end", Value::Timestamp(15'004 * kDayMicros));
  }

  // "v v v v", or "error: message".
  std::string Run(std::string_view text) const {
    const auto node = Parse(text);
    if (!node.ok()) return "error: " + node.error().message;
    const auto bound = Bind(*node, context);
    if (!bound.ok()) return "error: " + bound.error().message;
    const auto result = Evaluate(*bound, Batch{4, columns});
    if (!result.ok()) return "error: " + result.error().message;
    std::string all;
    for (std::int64_t row = 0; row < 4; ++row) {
      all += (row == 0 ? "" : " ") + ToText(ValueAt(*result, row));
    }
    return all;
  }
};

struct Case {
  const char* text;
  const char* want;
};

void Check(const Table& table, std::span<const Case> cases) {
  for (const Case& c : cases) EXPECT_EQ(table.Run(c.text), c.want) << c.text;
}

TEST(Expression, Arithmetic) {
  const Table table;
  const std::vector<Case> cases{
      {"1 + 2 * 3", "7 7 7 7"},
      {"(1 + 2) * 3", "9 9 9 9"},
      {"2 - 3 - 4", "-5 -5 -5 -5"},
      {"-a", "-1 7 0 null"},
      {"- - a", "1 -7 0 null"},
      {"a + b", "3 -4 0 null"},
      {"a * 1.5", "1.5 -10.5 0 null"},
      {"7 / 2", "3.5 3.5 3.5 3.5"},
      {"a / n", "1 -3.5 0 null"},
      {"a % n", "0 -1 0 null"},
      {"-7 % 3", "-1 -1 -1 -1"},
      {"7.5 % 2", "1.5 1.5 1.5 1.5"},
      {"1e3 + .5", "1000.5 1000.5 1000.5 1000.5"},
      {"a + null", "null null null null"},
      {"a / b", "error: column 3: division by zero"},
      {"if(b != 0, a / b, 0.0)", "0.5 -2.3333333333333335 0 0"},
      {"b != 0 and a / b < 0", "false true false null"},
      {"b = 0 or a / b < 0", "false true true null"},
      {"div(a, b, -1)", "0.5 -2.3333333333333335 -1 null"},
      {"if(flag, 1, 1 / 0)", "error: column 15: division by zero"},
      {"if(n > 0, 1, 1 / 0)", "1 1 1 1"},
      {"9223372036854775807 + n", "error: column 21: '+' overflows int64"},
      {"abs(a)", "1 7 0 null"},
      {"abs(x)", "0.5 nan 0 null"},
      {"day + 1", "2011-01-27 2011-01-28 1970-01-02 null"},
      {"day - as_of", "-3 -2 -15003 null"},
      {"\"odd name\" + 1", "2 3 4 5"},
  };
  Check(table, cases);
}

TEST(Expression, ThreeValuedLogic) {
  const Table table;
  const std::vector<Case> cases{
      {"true and null", "null null null null"},
      {"false and null", "false false false false"},
      {"true or null", "true true true true"},
      {"false or null", "null null null null"},
      {"not null", "null null null null"},
      {"not flag", "false true false null"},
      {"not not flag", "true false true null"},
      {"a is null", "false false false true"},
      {"a is not null", "true true true false"},
      {"a in (1, 0)", "true false true null"},
      {"a not in (1, 0)", "false true false null"},
      {"a in (1, null)", "true null null null"},
      {"a in (1.0, -7)", "true true false null"},
      {"x in (0)", "false false true null"},
      {"s in ('click', 'x')", "false true false null"},
      {"a between -7 and 0", "false true true null"},
      {"a not between b and 5", "true true false null"},
      {"5 between a and null", "null null null null"},
      {"0 between a and null", "false null null null"},
      {"coalesce(a, n)", "1 -7 0 4"},
      {"coalesce(null, s, 'none')", "'page_view' 'click' '' 'none'"},
      {"coalesce(n, 1 / 0)", "1 2 3 4"},
      {"if(null, 1, 2)", "2 2 2 2"},
      {"least(a, n, null)", "1 -7 0 4"},
      {"greatest(x, 0.25)", "0.5 nan 0.25 0.25"},
      {"a = 1 or a = 0 and false", "true false false null"},
  };
  Check(table, cases);
}

TEST(Expression, ComparisonsFollowTheOrderOfTheTable) {
  const Table table;
  const std::vector<Case> cases{
      {"x = 0", "false false true null"},
      {"x > 1e300", "false true false null"},
      {"x = x", "true true true null"},
      {"s = 'click'", "false true false null"},
      {"s < 'd'", "false true true null"},
      {"'it''s' == 'it''s'", "true true true true"},
      {"day >= '2011-01-27'", "false true false null"},
      {"day = date '2011-01-26'", "true false false null"},
      {"ts < '2011-01-27T00:00:00Z'", "true true true null"},
      {"ts >= day", "true false false null"},
      {"wall >= '2011-01-26T00:00:00.000001'", "true true false null"},
      {"ts < data_interval_end", "true true true null"},
      {"flag = true", "true false true null"},
  };
  Check(table, cases);
}

TEST(Expression, CastsAndTimes) {
  const Table table;
  const std::vector<Case> cases{
      {"date(ts)", "2011-01-26 2011-01-26 1969-12-31 null"},
      {"date('2012-02-29')", "2012-02-29 2012-02-29 2012-02-29 2012-02-29"},
      {"date_diff(as_of, date(ts))", "3 3 15004 null"},
      {"date_diff(as_of, ts)", "3 3 15004 null"},
      {"cast(x as int)", "error: column 1: nan does not fit int64"},
      {"cast(coalesce(if(x = x and x < 1, x, 2.9), 0.0) as int)", "0 2 0 2"},
      {"cast(a as string)", "'1' '-7' '0' null"},
      {"cast('12' as int64) + 1", "13 13 13 13"},
      {"cast(' 12' as int64)", "error: column 1: ' 12' is no int64"},
      {"cast(s as double)", "error: column 1: 'page_view' is no double"},
      {"cast(flag as int)", "1 0 1 null"},
      {"cast(day as timestamp)",
       "2011-01-26T00:00:00Z 2011-01-27T00:00:00Z 1970-01-01T00:00:00Z null"},
      {"lower('AbÄ')", "'abÄ' 'abÄ' 'abÄ' 'abÄ'"},
  };
  Check(table, cases);
}

TEST(Expression, ErrorsNameTheColumnInTheText) {
  const Table table;
  const std::vector<Case> cases{
      {"", "error: column 1: expected a value, found the end"},
      {"a +", "error: column 4: expected a value, found the end"},
      {"a b", "error: column 3: expected an operator or the end, found 'b'"},
      {"a = b = n", "error: column 7: expected an operator or the end, found '='"},
      {"(a", "error: column 3: expected ')', found the end"},
      {"a in ()", "error: column 7: expected a value, found ')'"},
      {"a in (b)", "error: column 7: the list of `in` holds literals only"},
      {"a is 1", "error: column 6: expected null, found '1'"},
      {"a between 1", "error: column 12: expected and, found the end"},
      {"a # b", "error: column 3: unexpected character '#'"},
      {"'open", "error: column 1: the text that begins here is not closed"},
      {"12abc", "error: column 1: a number ends in a letter"},
      {"99999999999999999999", "error: column 1: 99999999999999999999 does not fit int64"},
      {"1e999", "error: column 1: 1e999 does not fit double"},
      {"nosuch(a)", "error: column 1: unknown function 'nosuch'"},
      {"abs(a, b)", "error: column 1: 'abs' takes 1 argument, not 2"},
      {"if(a > 0, 1)", "error: column 1: 'if' takes 3 arguments, not 2"},
      {"1 + nosuch", "error: column 5: unknown column 'nosuch'"},
      {"cast(a as thing)", "error: column 11: expected a type, found 'thing'"},
      {"date '2011-02-29'", "error: column 6: "},
      {"a + s", "error: column 3: '+' needs numbers, not string"},
      {"s = 1", "error: column 3: '=' mixes string and int64"},
      {"a and flag", "error: column 3: 'and' mixes int64 and bool"},
      {"wall = ts", "error: column 6: '=' mixes local_timestamp and timestamp"},
      {"cast(day as int)", "error: column 1: cannot cast date to int64"},
      {"day = '2011-13-01'", "error: column 5: "},
      {"select", "error: column 1: unknown column 'select'"},
      {"and", "error: column 1: expected a value, found 'and'"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(table.Run(c.text).substr(0, std::string_view(c.want).size()), c.want) << c.text;
  }
  const auto predicate = BindPredicate(*Parse("a + 1"), table.context);
  ASSERT_FALSE(predicate.ok());
  EXPECT_EQ(predicate.error().message, "column 3: a condition is needed, this is a int64");
}

TEST(Expression, DepthAndLengthAreBounded) {
  EXPECT_FALSE(Parse(std::string(200, '(') + "1" + std::string(200, ')')).ok());
  EXPECT_TRUE(Parse(std::string(60, '(') + "1" + std::string(60, ')')).ok());
  std::string chain = "a";
  for (int i = 0; i < 1500; ++i) chain += " + a";
  EXPECT_TRUE(Parse(chain).ok());
  for (int i = 0; i < 1500; ++i) chain += " + a";
  EXPECT_FALSE(Parse(chain).ok());
  EXPECT_FALSE(Parse(std::string(kMaxExpressionBytes + 1, ' ')).ok());
  std::string nested = "a";
  for (int i = 0; i < 60; ++i) nested = "(" + nested + " between 1 and 2)";
  EXPECT_TRUE(Parse(nested).ok());
}

TEST(Expression, ConjunctsAndColumns) {
  const auto node = Parse("a > 1 and (b = 2 or n = 3) and s in ('x')");
  ASSERT_TRUE(node.ok());
  EXPECT_EQ(Conjuncts(*node).size(), 3u);
  EXPECT_EQ(ColumnsOf(*node).size(), 4u);
  const Table table;
  const auto bound = Bind(*node, table.context);
  ASSERT_TRUE(bound.ok());
  EXPECT_EQ(FieldsOf(*bound), (std::vector<int>{0, 1, 3, 7}));
  std::array<std::uint8_t, 4> passed{};
  const auto predicate = BindPredicate(*Parse("a > -100 and s != 'click'"), table.context);
  ASSERT_TRUE(predicate.ok());
  ASSERT_TRUE(EvaluatePredicate(*predicate, Batch{4, table.columns}, passed.data()).ok());
  EXPECT_EQ(passed, (std::array<std::uint8_t, 4>{1, 0, 1, 0}));
}

TEST(LocalTimeMap, AgreesWithTheZoneAroundEveryTransition) {
  for (const char* name : {"Europe/Madrid", "America/Santiago", "Asia/Kathmandu", "UTC"}) {
    const auto zone = TimeZone::Find(name);
    ASSERT_TRUE(zone.ok()) << name;
    const LocalTimeMap map(*zone, 18'000, 18'800);
    // One span far outside of what was looked up, then every half hour and its neighbours.
    for (std::int64_t us = 17'900 * kDayMicros; us < 18'900 * kDayMicros; us += kDayMicros / 48) {
      for (const std::int64_t at : {us - 1, us, us + 1}) {
        const auto want =
            std::chrono::microseconds((*zone)->OffsetAt(InstantFromMicros(at))).count();
        ASSERT_EQ(map.OffsetAt(at), want) << name << " " << at;
      }
    }
    for (std::int32_t day = 18'000; day < 18'800; ++day) {
      const std::int64_t start = map.StartOfDay(day);
      ASSERT_EQ(map.DayOf(start), day) << name;
      ASSERT_EQ(map.DayOf(start - 1), day - 1) << name;
    }
  }
}

}  // namespace
}  // namespace nightmill::expr
