// What templates print and which JSON they give. Agreement with Jinja itself is template_jinja's
// task; here are our own names, types, macros and the cases worth reading.
#include <gtest/gtest.h>

#include <regex>
#include <string>

#include "core/base/json.h"
#include "core/template/calls.h"
#include "tests/unit/template/context.h"

namespace nightmill {
namespace {

using testing::ExampleContext;
using testing::Rendered;

struct Case {
  std::string_view text;
  std::string_view expected;
};

TEST(RenderToText, Names) {
  const Case cases[] = {
      {"{{ ds }}", "2011-05-30"},
      {"{{ ds_nodash }}", "20110530"},
      {"{{ ts }}", "2011-05-30T06:00:00+00:00"},
      {"{{ ts_nodash }}", "20110530T060000"},
      {"{{ ts_nodash_with_tz }}", "20110530T060000+0000"},
      {"{{ data_date }}", "2011-05-30"},
      {"{{ data_interval_start }}", "2011-05-30 06:00:00+00:00"},
      {"{{ data_interval_end }}", "2011-05-31 06:00:00+00:00"},
      {"{{ logical_date }}", "2011-05-30 06:00:00+00:00"},
      {"{{ start_date }}", "2011-05-31 06:00:01.500000+00:00"},
      {"{{ run_id }}", "scheduled__2011-05-30T06:00:00+00:00"},
      {"{{ dag.dag_id }} {{ task.task_id }}", "user_features load"},
      {"{{ ti.task_id }} {{ task_instance.task_id }}", "load load"},
      {"{{ ti.try_number }} {{ ti.map_index }} {{ ti.dag_id }}", "2 3 user_features"},
      {"{{ dag_run.run_type }} {{ dag_run.conf.mode }}", "scheduled full"},
      {"{{ dag_run.logical_date | ds }}", "2011-05-30"},
      {"{{ task_instance_key_str }}", "user_features__load__20110530"},
      {"{{ params.table }} {{ params['table'] }}", "events events"},
      {"{{ params.deep.a.b }} {{ params.deep['a'].b }}", "1 1"},
      {"{{ map.item.name }} {{ map.index }}", "shard-3 3"},
      {"{{ outputs.list[0] }} {{ outputs['report'].rows }}", "a.csv 1000"},
      {"{{ var.value.region }} {{ var.json.limits.rows }} {{ var.json.typed.k }}", "eu 5 1"},
      {"{{ test_mode }}", "False"},
  };
  for (const Case& c : cases) EXPECT_EQ(Rendered(c.text), c.expected) << c.text;
}

TEST(RenderToText, TextsAndComments) {
  const Case cases[] = {
      {"", ""},
      {"plain } text }} {x}", "plain } text }} {x}"},
      {"a{# no {{ ds #}b", "ab"},
      {"{{ '{{' }} {{ '{#' }}", "{{ {#"},
      {"  {{- ds -}}  x", "2011-05-30x"},
      {"a  {#- c -#}  b", "ab"},
      {"printf '{%s}'", "printf '{%s}'"},
      {"{{ {'a': {'b': 1}} }}", "{'a': {'b': 1}}"},
      {"{{ 'a' \"b\" }}", "ab"},
      {"line\n{{ 1 }}\n", "line\n1\n"},
      {"{{ '{{ ds }}' }}", "{{ ds }}"},  // one pass
  };
  for (const Case& c : cases) EXPECT_EQ(Rendered(c.text), c.expected) << c.text;
}

TEST(RenderToText, Operators) {
  const Case cases[] = {
      {"{{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }}", "3 -4 2 3.5"},
      {"{{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ 2 ** -1 }}", "64 4 0.5"},
      {"{{ 1 + 2 ~ 3 * 2 }}", "error"},
      {"{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }}", "True False"},
      {"{{ not 1 in [1] }} {{ 2 not in [1] }}", "False True"},
      {"{{ 'a' if params.off else 'b' }}", "b"},
      {"{{ params.empty or 'none' }} {{ params.n and 'yes' }}", "none yes"},
      {"{{ 1 == 1.0 == true }} {{ 'a' == 1 }}", "True False"},
      {"{{ 'x' * 3 }} {{ [1] * 2 }} {{ [1] + [2] }}", "xxx [1, 1] [1, 2]"},
      {"{{ ds[:4] }} {{ ds[-2:] }} {{ [1, 2, 3][::-1] }}", "2011 30 [3, 2, 1]"},
      {"{{ params.nope is defined }} {{ params.nope is not defined }}", "False True"},
      {"{{ params.nothing is none }} {{ 1 is undefined }}", "True False"},
      {"{{ none }} {{ 1e16 }} {{ 0.00001 }} {{ 1.0 }}", "None 1e+16 1e-05 1.0"},
  };
  for (const Case& c : cases) {
    const std::string rendered = Rendered(c.text);
    if (c.expected == "error") {
      EXPECT_TRUE(rendered.starts_with("error: ")) << rendered;
    } else {
      EXPECT_EQ(rendered, c.expected) << c.text;
    }
  }
}

TEST(RenderToText, Dates) {
  const Case cases[] = {
      {"{{ data_interval_start.weekday() == 0 }}", "True"},
      {"{{ data_interval_start.date() }} {{ data_interval_start.date().isoformat() }}",
       "2011-05-30 2011-05-30"},
      {"{{ data_interval_start.strftime('%Y/%m/%d/%H') }}", "2011/05/30/06"},
      {"{{ data_interval_start.strftime('%-d.%-m.') }}", "30.5."},
      {"{{ data_interval_start.timestamp() }}", "1306735200.0"},
      {"{{ logical_date.year }}-{{ logical_date.month }}-{{ logical_date.day }}", "2011-5-30"},
      {"{{ data_interval_end - data_interval_start }}", "1 day, 0:00:00"},
      {"{{ (data_interval_end - data_interval_start).total_seconds() | int }}", "86400"},
      {"{{ data_interval_start + macros.timedelta(hours=-7) }}", "2011-05-29 23:00:00+00:00"},
      {"{{ data_interval_start < data_interval_end }}", "True"},
      {"{{ data_interval_end | ts_nodash }}", "20110531T060000"},
      {"{{ [data_interval_start.date()] }}", "[datetime.date(2011, 5, 30)]"},
      {"{{ macros.timedelta(days=-1, hours=1) }}", "-1 day, 1:00:00"},
      {"{{ macros.timedelta(minutes=90) * 2 }} {{ macros.timedelta(1) / macros.timedelta(0, 60) }}",
       "3:00:00 1440.0"},
  };
  for (const Case& c : cases) EXPECT_EQ(Rendered(c.text), c.expected) << c.text;
}

TEST(RenderToText, Macros) {
  const Case cases[] = {
      {"{{ macros.ds_add(ds, 5) }} {{ macros.ds_add('2024-03-01', -1) }}", "2011-06-04 2024-02-29"},
      {"{{ macros.ds_add(days=1, ds=ds) }}", "2011-05-31"},
      {"{{ macros.ds_format(ds, '%Y-%m-%d', '%d %b %y') }}", "30 May 11"},
      {"{{ macros.ds_format('1/31/2026', '%m/%d/%Y', '%Y-%m-%d') }}", "2026-01-31"},
      {"{{ macros.ds_range(data_date, -2, 0) }}", "['2011-05-28', '2011-05-29', '2011-05-30']"},
      {"{{ macros.ds_range(data_date, 1, 0) }}", "[]"},
      {"{{ macros.datetime_diff_for_humans(data_interval_end, data_interval_start) }}",
       "1 day after"},
      {"{{ macros.datetime_diff_for_humans(logical_date, data_interval_end) }}", "1 day before"},
  };
  for (const Case& c : cases) EXPECT_EQ(Rendered(c.text), c.expected) << c.text;
}

// Expected texts by pendulum 3: instance(a).diff_for_humans(b).
TEST(RenderToText, DifferencesForHumans) {
  const struct {
    std::string_view delta;
    std::string_view expected;
  } cases[] = {
      {"seconds=5", "a few seconds after"}, {"seconds=11", "11 seconds after"},
      {"minutes=59", "59 minutes after"},   {"hours=-21", "21 hours before"},
      {"days=1, hours=22", "2 days after"}, {"days=6, hours=22", "7 days after"},
      {"days=10", "1 week after"},          {"days=11", "2 weeks after"},
      {"days=31", "1 month after"},         {"days=59", "2 months after"},
      {"days=300", "9 months after"},       {"days=352", "1 year after"},
      {"days=600", "2 years after"},        {"days=-40", "1 month before"},
  };
  for (const auto& c : cases) {
    const std::string text = "{{ macros.datetime_diff_for_humans(logical_date + macros.timedelta(" +
                             std::string(c.delta) + "), logical_date) }}";
    EXPECT_EQ(Rendered(text), c.expected) << text;
  }
}

TEST(RenderToText, Filters) {
  const Case cases[] = {
      {"{{ params.nope | default('x') }} {{ params.empty | default('y', true) }}", "x y"},
      {"{{ params.list | sort | join(',') }} {{ params.list | first }} {{ params.list | last }}",
       "1,2,3 3 2"},
      {"{{ 'Grüße' | upper }} {{ 'ΑΒΓ ЖЗ' | lower }}", "GRÜSSE αβγ жз"},
      {"{{ 'straße' | length }}", "6"},
      {"{{ params.list | tojson }} {{ 'a<b' | tojson }}", "[3, 1, 2] \"a\\u003cb\""},
      {"{{ '42.9' | int }} {{ 'x' | int(-1) }} {{ 'ff' | int(base=16) }} {{ 3.7 | int }}",
       "42 -1 255 3"},
      {"{{ 2.5 | round }} {{ 3.5 | round }} {{ 2.675 | round(2) }} {{ 7 | round }}",
       "2.0 4.0 2.67 7"},
      {"{{ ['b', 'A', 'a'] | unique | join }} {{ ['b', 'A'] | sort }}", "bA ['A', 'b']"},
      {"{{ ' a ' | trim }}|{{ 'a-b' | replace('-', '') }}", "a|ab"},
      {"{{ params.evil | q }}", "'a'\"'\"'; rm -rf /'"},
      {"{{ params.table | q }} {{ '' | q }} {{ 'a b' | q }} {{ params.n | q }}",
       "events '' 'a b' 7"},
  };
  for (const Case& c : cases) EXPECT_EQ(Rendered(c.text), c.expected) << c.text;
}

TEST(ShellQuote, EveryByteSurvivesTheShellsRules) {
  for (int c = 1; c < 256; ++c) {
    const std::string word(1, static_cast<char>(c));
    const std::string quoted = tmpl::ShellQuote(word);
    if (quoted == word) {
      EXPECT_TRUE(std::isalnum(c) || std::string_view("@%+=:,./_-").find(static_cast<char>(c)) !=
                                         std::string_view::npos)
          << c;
    } else if (c == '\'') {
      EXPECT_EQ(quoted, "''\"'\"''");
    } else {
      EXPECT_EQ(quoted, "'" + word + "'");
    }
  }
}

TEST(RenderToText, OldNamesStillWork) {
  const Case cases[] = {
      {"{{ execution_date }}", "2011-05-30 06:00:00+00:00"},
      {"{{ next_ds }} {{ next_ds_nodash }}", "2011-05-31 20110531"},
      {"{{ next_execution_date.day }}", "31"},
      {"{{ yesterday_ds }} {{ yesterday_ds_nodash }}", "2011-05-29 20110529"},
      {"{{ tomorrow_ds }} {{ tomorrow_ds_nodash }}", "2011-05-31 20110531"},
  };
  for (const Case& c : cases) EXPECT_EQ(Rendered(c.text), c.expected) << c.text;
}

TEST(RenderToText, RandomIsSeeded) {
  TemplateContext context = ExampleContext();
  const std::string text = "{{ macros.uuid() }} {{ macros.uuid.uuid4() }} {{ macros.random() }}";
  const std::string first = Rendered(text, context);
  EXPECT_EQ(first, Rendered(text, context));
  const std::string uuid = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}";
  EXPECT_TRUE(std::regex_match(first, std::regex(uuid + " " + uuid + " 0\\.[0-9]+(e-[0-9]+)?")))
      << first;
  EXPECT_NE(first.substr(0, 36), first.substr(37, 36));
  context.seed = 43;
  EXPECT_NE(first, Rendered(text, context));
}

std::string AsJson(std::string_view text) {
  const Result<std::string> result = RenderToJson(text, ExampleContext());
  return result.ok() ? *result : "error: " + result.error().message;
}

TEST(RenderToJson, OneExpressionKeepsItsType) {
  const Case cases[] = {
      {"{{ params.list }}", "[3,1,2]"},
      {"{{ params.n }}", "7"},
      {"{{ params.n / 2 }}", "3.5"},
      {"{{ params.flag }}", "true"},
      {"{{ params.nothing }}", "null"},
      {"{{ params.table }}", "\"events\""},
      {"{{ params.deep }}", R"({"a":{"b":1}})"},
      {"{{ macros.ds_range(data_date, -1, 0) }}", R"(["2011-05-29","2011-05-30"])"},
      {"{{ data_interval_start }}", "\"2011-05-30 06:00:00+00:00\""},
      {"{{ outputs.report }}", R"({"rows":1000,"artifact":"/data/x"})"},
      {"{{- params.n -}}", "7"},
      {" {{ params.n }}", "\" 7\""},
      {"{{ params.n }}{{ params.n }}", "\"77\""},
      {"n={{ params.n }}", "\"n=7\""},
      {"plain \"x\"", R"("plain \"x\"")"},
      {"{# only a comment #}", "\"\""},
  };
  for (const Case& c : cases) EXPECT_EQ(AsJson(c.text), c.expected) << c.text;
}

TEST(RenderJson, RendersEveryStringAndNoKey) {
  const Result<std::string> result = RenderJson(
      R"({"{{ ds }}": "{{ ds }}", "z": ["{{ params.n }}", {"p": "in/{{ data_date }}.csv"}],
          "a": 1.50, "t": "{{ params.list }}", "big": 18446744073709551615, "u": null})",
      ExampleContext());
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_EQ(*result, R"({"{{ ds }}":"2011-05-30","z":[7,{"p":"in/2011-05-30.csv"}],"a":1.5,)"
                     R"("t":[3,1,2],"big":18446744073709551615,"u":null})");
}

TEST(RenderJson, NamesThePlaceOfAnError) {
  const Result<std::string> result =
      RenderJson(R"({"a": ["x", {"b/c~d": "{{ params.nope }}"}]})", ExampleContext());
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().pointer, "/a/1/b~1c~0d");
  EXPECT_EQ(result.error().code, ErrorCode::kInvalid);
  EXPECT_FALSE(RenderJson("{", ExampleContext()).ok());
  std::string deep(100, '[');
  deep += std::string(100, ']');
  EXPECT_FALSE(RenderJson(deep, ExampleContext()).ok());
}

TEST(RenderJson, EachPlaceHasItsOwnRandomness) {
  const Result<std::string> result =
      RenderJson(R"(["{{ macros.uuid() }}", "{{ macros.uuid() }}"])", ExampleContext());
  ASSERT_TRUE(result.ok());
  const auto json = nlohmann::json::parse(*result);
  EXPECT_NE(json[0], json[1]);
}

TEST(RenderCondition, TruthOfValues) {
  const std::pair<std::string_view, bool> cases[] = {
      {"{{ params.flag }}", true},
      {"{{ params.off }}", false},
      {"{{ params.n > 5 and not params.off }}", true},
      {"{{ params.empty }}", false},
      {"{{ params.list }}", true},
      {"{{ [] }}", false},
      {"{{ 0.0 }}", false},
      {"{{ 'false' }}", true},  // Jinja's truth of a text
      {"{{ params.nothing }}", false},
      {"{{ outputs.nope is defined }}", false},
      {"true", true},
      {"False", false},
      {"{# never #}", false},
      {"{{ params.flag }}{# why #}", true},
  };
  for (const auto& [text, expected] : cases) {
    const Result<bool> result = RenderCondition(text, ExampleContext());
    ASSERT_TRUE(result.ok()) << text << ": " << result.error().message;
    EXPECT_EQ(*result, expected) << text;
  }
  EXPECT_FALSE(RenderCondition("perhaps", ExampleContext()).ok());
  EXPECT_FALSE(RenderCondition("{{ params.nope }}", ExampleContext()).ok());
  EXPECT_FALSE(RenderCondition("{{ dag }}", ExampleContext()).ok());
}

TEST(IsTemplate, OnlyWithMarks) {
  for (const char* text : {"", "{", "}}", "{ {", "a {b} c", "{\"a\": 1}", "${x}"}) {
    EXPECT_FALSE(IsTemplate(text)) << text;
  }
  for (const char* text : {"{{", "x {{ ds }}", "{#", "${#a}", "{% if %}"}) {
    EXPECT_TRUE(IsTemplate(text)) << text;
  }
}

}  // namespace
}  // namespace nightmill
