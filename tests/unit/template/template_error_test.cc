// Every way a template can fail: the message says what, quotes the expression and names the column.
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/template/context.h"

namespace nightmill {
namespace {

using testing::ExampleContext;
using testing::Rendered;

struct Case {
  std::string_view text;
  std::string_view expected;
};

TEST(TemplateErrors, UndefinedNames) {
  const Case cases[] = {
      {"{{ nope }}", "error: \"nope\" is not defined (column 4 of {{ nope }})"},
      {"{{ data_dat }}",
       "error: \"data_dat\" is not defined (column 4 of {{ data_dat }}) [did you mean "
       "\"data_date\"?]"},
      {"x {{ params.tabel }} y",
       "error: \"params.tabel\" is not defined (column 6 of {{ params.tabel }}) [did you mean "
       "\"table\"?]"},
      {"{{ params.deep.x }}",
       "error: \"params.deep.x\" is not defined (column 4 of {{ params.deep.x }}) [there are: a]"},
      {"{{ params.deep.x.y }}",
       "error: \"params.deep.x\" is not defined (column 4 of {{ params.deep.x.y }}) [there are: "
       "a]"},
      {"{{ params.deep.x.y | default(1) }}",
       "error: \"params.deep.x\" is not defined (column 4 of {{ params.deep.x.y | default(1) }}) "
       "[there are: a]"},
      {"{{ 'ä' ~ params.list[9] }}",
       "error: \"params.list[9]\" is not defined (column 10 of {{ 'ä' ~ params.list[9] }})"},
      {"{{ params.n.foo }}",
       "error: \"params.n.foo\" is not defined (column 4 of {{ params.n.foo }})"},
      {"{{ outputs.gone }}",
       "error: \"outputs.gone\" is not defined (column 4 of {{ outputs.gone }}) [the task is "
       "unknown, was skipped or gave no output]"},
      {"{{ run.outcome }}",
       "error: \"run.outcome\" is not defined (column 4 of {{ run.outcome }}) [only finally tasks "
       "see it]"},
      {"{{ var.value.regoin }}",
       "error: there is no variable \"regoin\" (column 4 of {{ var.value.regoin }}) [did you mean "
       "\"region\"?]"},
      {"{{ ti.state }}",
       "error: ti has no member \"state\" (column 4 of {{ ti.state }}) [ti has: dag_id, task_id, "
       "run_id, map_index, try_number]"},
      {"{{ conn.id.host }}",
       "error: \"conn\" is not defined (column 4 of {{ conn.id.host }}) [pass the connection by "
       "`env`]"},
      {"{{ 'a' if false }}",
       "error: the condition is false and there is no `else` (column 4 of {{ 'a' if false }})"},
      {"{{ [] | first }}",
       "error: there is no first item: the list is empty (column 4 of {{ [] | first }})"},
      {"{{ dag }}", "error: dag is not a value (column 4 of {{ dag }}) [it has: dag_id]"},
      {"{{ not params.nope }}",
       "error: \"params.nope\" is not defined (column 8 of {{ not params.nope }}) [there are: "
       "table, n, x, flag, off, nothing, evil, list, empty, deep]"},
  };
  for (const Case& c : cases) EXPECT_EQ(Rendered(c.text), c.expected) << c.text;
}

TEST(TemplateErrors, MissingPartsOfARun) {
  TemplateContext context = ExampleContext();
  context.logical_date.reset();
  context.interval.reset();
  context.data_date.clear();
  context.map_item.clear();
  context.map_index = -1;
  context.start_date.reset();
  for (const char* name :
       {"ds", "ds_nodash", "ts", "ts_nodash", "ts_nodash_with_tz", "logical_date", "data_date",
        "data_interval_start", "data_interval_end", "map.item", "map.index", "start_date",
        "execution_date", "next_ds", "yesterday_ds", "tomorrow_ds_nodash", "task_instance_key_str",
        "dag_run.logical_date"}) {
    const std::string text = Rendered("{{ " + std::string(name) + " }}", context);
    EXPECT_TRUE(text.find("is not defined") != std::string::npos) << name << ": " << text;
    EXPECT_EQ(Rendered("{{ " + std::string(name) + " | default('-') }}", context), "-") << name;
  }
  EXPECT_EQ(
      Rendered("{{ ds }}", context),
      "error: \"ds\" is not defined: this run has no logical date (column 4 of {{ ds }}) [use "
      "data_date, data_interval_start or run_id]");
}

TEST(TemplateErrors, Syntax) {
  const Case cases[] = {
      {"{{ ds", "the expression has no closing \"}}\" (column 3 of {{ ds)"},
      {"{{ }}", "the expression is empty (column 4 of {{ }})"},
      {"{{ 1 + }}", "a value expected before the end (column 8 of {{ 1 + }})"},
      {"{{ a b }}", "unexpected \"b\" (column 6 of {{ a b }})"},
      {"{{ (1 }}", "\"}\" where \")\" was expected (column 7 of {{ (1 }})"},
      {"{{ ] }}", "unexpected \"]\" (column 4 of {{ ] }})"},
      {"{{ 'a }}", "the text is not closed (column 4 of {{ 'a }})"},
      {"{{ 1 ? 2 }}", "unexpected character \"?\" (column 6 of {{ 1 ? 2 }})"},
      {"{{ 007 }}", "a number cannot begin with 0 (column 4 of {{ 007 }})"},
      {"{{ '\\xzz' }}", "bad escape in a text (column 5 of {{ '\\xzz' }})"},
      {"{{ x.  }}", "a name expected before the end (column 8 of {{ x.  }})"},
      {"{{ x | }}", "the name of a filter expected before the end (column 8 of {{ x | }})"},
      {"{{ (1, 2) }}", "tuples are not supported (column 6 of {{ (1, 2) }})"},
      {"{{ 1 is odd }}", "there is no test \"odd\" (column 9 of {{ 1 is odd }})"},
      {"{{ [1 2] }}", "\",\" or \"]\" expected before \"2\" (column 7 of {{ [1 2] }})"},
      {"{{ {'a'} }}", "\":\" expected before \"}\" (column 8 of {{ {'a'} }})"},
      {"{{ ds[] }}", "an index expected before \"]\" (column 7 of {{ ds[] }})"},
      {"{{ 99999999999999999999 }}",
       "the number is beyond 64 bits (column 4 of {{ 99999999999999999999 }})"},
      {"a {# open", "the comment has no closing \"#}\" (column 3 of {# open)"},
      {"echo ${#x} {{ ds }}", "the comment has no closing \"#}\" (column 7 of {#x} {{ ds }})"},
      {"{% if a %}",
       "blocks ({% %}) are not part of the template language (column 1 of {% if a %})"},
      {"{{ macros.ds_add(ds=1, 2) }}",
       "a positional argument after a named one (column 24 of {{ macros.ds_add(ds=1, 2) }})"},
  };
  for (const Case& c : cases) {
    const std::string text = Rendered(c.text);
    EXPECT_TRUE(text.starts_with("error: " + std::string(c.expected))) << c.text << "\n"
                                                                       << text << "\n"
                                                                       << c.expected;
  }
}

TEST(TemplateErrors, CallsAndFilters) {
  const Case cases[] = {
      {"{{ ds | uper }}",
       "error: there is no filter \"uper\" (column 9 of {{ ds | uper }}) [did you mean "
       "\"upper\"?]"},
      {"{{ ds | upper(1) }}",
       "error: upper takes at most 0 arguments (column 4 of {{ ds | upper(1) }})"},
      {"{{ ds | replace('a') }}",
       "error: replace needs \"new\" (column 4 of {{ ds | replace('a') }})"},
      {"{{ 1 | round(precison=1) }}",
       "error: round has no argument \"precison\" (column 4 of {{ 1 | round(precison=1) }}) [did "
       "you "
       "mean \"precision\"?]"},
      {"{{ 1 | round(1, precision=1) }}",
       "error: round gets \"precision\" twice (column 4 of {{ 1 | round(1, precision=1) }})"},
      {"{{ macros.ds_ad(ds, 1) }}",
       "error: there is no macro \"ds_ad\" (column 4 of {{ macros.ds_ad(ds, 1) }}) [did you mean "
       "\"ds_add\"?]"},
      {"{{ ds_add(ds, 1) }}",
       "error: \"ds_add\" cannot be called (column 4 of {{ ds_add(ds, 1) }}) [write "
       "macros.ds_add(...)]"},
      {"{{ macros.ds_add('yesterday', 1) }}", ""},
      {"{{ macros.ds_add(ds, 1.5) }}",
       "error: days must be an integer, not float (column 4 of {{ macros.ds_add(ds, 1.5) }})"},
      {"{{ macros.ds_add(ds, 99999999) }}",
       "error: the date is outside the years 1 to 9999 (column 4 of {{ macros.ds_add(ds, 99999999) "
       "}})"},
      {"{{ macros.datetime_diff_for_humans(logical_date) }}", ""},
      {"{{ ti.xcom_pull('load') }}",
       "error: there is no method \"xcom_pull\" (column 4 of {{ ti.xcom_pull('load') }}) [write "
       "outputs.<task>]"},
      {"{{ params.get('x') }}",
       "error: there is no method \"get\" (column 4 of {{ params.get('x') }}) [write x.key | "
       "default(...)]"},
      {"{{ ds.upper() }}",
       "error: there is no method \"upper\" (column 4 of {{ ds.upper() }}) [use the filter: | "
       "upper]"},
      {"{{ ds.weekday() }}",
       "error: a text has no method \"weekday\" (column 4 of {{ ds.weekday() }})"},
      {"{{ logical_date.strftime('%Q') }}",
       "error: strftime has no directive \"%Q\" (column 4 of {{ logical_date.strftime('%Q') }})"},
      {"{{ secret('x') }}",
       "error: secret() is only given to a process by its `env` (column 4 of {{ secret('x') }}) "
       "[write it as the whole value of an entry of `env`]"},
      {"{{ ds | ds }}", ""},
      {"{{ params.list | q }}", ""},
      {"{{ 'x' | round }}", ""},
      {"{{ 5 | length }}", ""},
      {"{{ 5 | join }}", ""},
      {"{{ [1, 'a'] | sort }}", ""},
      {"{{ [[1]] | unique }}", ""},
      {"{{ [1] | first() | tojson(indent='x') }}", ""},
      {"{{ data_interval_start | tojson }}", ""},
      {"{{ (1)(2) }}", ""},
  };
  for (const Case& c : cases) {
    const std::string text = Rendered(c.text);
    EXPECT_TRUE(text.starts_with("error: ")) << c.text << text;
    EXPECT_EQ(text, c.expected.empty() ? text : c.expected) << c.text;
  }
}

TEST(TemplateErrors, TypesAndLimits) {
  for (const char* text : {"{{ 1 + 'a' }}",
                           "{{ 'a' + 1 }}",
                           "{{ 1 / 0 }}",
                           "{{ 1 // 0 }}",
                           "{{ 1 % 0 }}",
                           "{{ 1.0 // 0 }}",
                           "{{ 0 ** -1 }}",
                           "{{ (-8) ** 0.5 }}",
                           "{{ 10.0 ** 999 }}",
                           "{{ 2 ** 64 }}",
                           "{{ 9223372036854775807 + 1 }}",
                           "{{ -9223372036854775807 - 2 }}",
                           "{{ 'a' < 1 }}",
                           "{{ none < 1 }}",
                           "{{ 1 in 5 }}",
                           "{{ 1 in 'a' }}",
                           "{{ -'a' }}",
                           "{{ 'a' * 99999999999 }}",
                           "{{ [1] * 99999999999 }}",
                           "{{ 'abc' * 1000000 }}",
                           "{{ '%s' % 1 }}",
                           "{{ {1: 2} }}",
                           "{{ ds['a':] }}",
                           "{{ ds[::0] }}",
                           "{{ 5[1:] }}",
                           "{{ logical_date + 1 }}",
                           "{{ logical_date + logical_date }}",
                           "{{ logical_date < ds }}",
                           "{{ logical_date + macros.timedelta(weeks=999999) }}",
                           "{{ macros.timedelta('x') }}",
                           "{{ macros.timedelta(1e30) }}",
                           "{{ '99999999999999999999' | int }}",
                           "{{ 1e300 | int }}",
                           "{{ macros.ds_range(ds, -200000, 200000) }}",
                           "{{ macros }}",
                           "{{ outputs }}",
                           "{{ outputs.broken }}",
                           "{{ var.json.bad }}",
                           "{{ macros.ds_add }}",
                           "{{ dag[1] }}",
                           "{{ ('a' * 1000000) | replace('a', 'bb') }}",
                           "{{ ('a' * 1000000) ~ ('a' * 1000000) }}"}) {
    const std::string rendered = Rendered(text);
    EXPECT_TRUE(rendered.starts_with("error: ")) << text << " -> " << rendered.substr(0, 80);
    EXPECT_TRUE(rendered.find("(column ") != std::string::npos) << rendered.substr(0, 80);
  }
}

TEST(TemplateErrors, AreInvalidAndNeverRecurseAway) {
  const auto error_of = [](const std::string& text) {
    const Result<std::string> result = RenderToText(text, ExampleContext());
    EXPECT_FALSE(result.ok());
    return result.ok() ? Error{} : result.error();
  };
  const int many = 20'000;
  for (const std::string& text :
       {"{{ " + std::string(many, '(') + "1" + std::string(many, ')') + " }}",
        "{{ " + std::string(many, '[') + " }}", "{{ " + std::string(many, '-') + "1 }}"}) {
    const Error error = error_of(text);
    EXPECT_EQ(error.code, ErrorCode::kInvalid);
    EXPECT_LT(error.message.size(), 300u) << "a long expression is not quoted whole";
  }
  std::string chain = "{{ 1";
  std::string nots = "{{ ";
  for (int i = 0; i < many; ++i) {
    chain += " + 1";
    nots += "not ";
  }
  EXPECT_EQ(error_of(chain + " }}").code, ErrorCode::kInvalid);
  EXPECT_EQ(error_of(nots + "1 }}").code, ErrorCode::kInvalid);
}

TEST(TemplateErrors, ContextThatIsNoJson) {
  TemplateContext context = ExampleContext();
  context.params = "{";
  EXPECT_TRUE(Rendered("{{ params.x }}", context).starts_with("error: params: not a JSON text"));
  EXPECT_EQ(Rendered("{{ ds }}", context), "2011-05-30");
  context.params = R"({"big": 18446744073709551615})";
  EXPECT_TRUE(Rendered("{{ params.big }}", context).find("beyond 64 bits") != std::string::npos);
  context.output = nullptr;
  EXPECT_TRUE(Rendered("{{ outputs.list }}", context).find("is not defined") != std::string::npos);
}

TEST(TemplateErrors, ValuesWithoutJsonForm) {
  for (const char* text : {"{{ 'nan' | float }}", "{{ ['inf' | float] }}", "{{ dag }}"}) {
    EXPECT_FALSE(RenderToJson(text, ExampleContext()).ok()) << text;
  }
}

}  // namespace
}  // namespace nightmill
