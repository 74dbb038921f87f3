// The static facts of templates: names, edges, raw use in shell lines, old names, errors.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "core/base/limits.h"
#include "tests/unit/template/context.h"

namespace nightmill {
namespace {

TemplateFacts Facts(std::string_view text) {
  const Result<TemplateFacts> result = InspectTemplate(text);
  EXPECT_TRUE(result.ok()) << text << ": " << (result.ok() ? "" : result.error().message);
  return result.ok() ? *result : TemplateFacts{};
}

using Names = std::set<std::string>;

TEST(InspectTemplate, CollectsNames) {
  EXPECT_FALSE(Facts("plain").has_expressions);
  EXPECT_FALSE(Facts("{# comment #}").has_expressions);
  const TemplateFacts f = Facts(
      "{{ params.table ~ params['day'] }} {{ outputs.load.rows if outputs['gate'] is defined else "
      "ds }}"
      "{{ [map.item, macros.ds_add(data_date, params.n)] | join(params.sep) }}");
  EXPECT_TRUE(f.has_expressions);
  EXPECT_EQ(f.roots, (Names{"params", "outputs", "ds", "map", "macros", "data_date"}));
  EXPECT_EQ(f.outputs, (Names{"load", "gate"}));
  EXPECT_EQ(f.params, (Names{"table", "day", "n", "sep"}));
  EXPECT_TRUE(f.warnings.empty());
  EXPECT_EQ(Facts("{{ secret('db') }}").roots, Names{"secret"});
}

TEST(InspectTemplate, EngineDatesAndIdsAreNotRaw) {
  for (const char* text : {"{{ ds }}",
                           "{{ data_date }}/{{ run_id }}",
                           "{{ data_interval_start.strftime('%Y/%m') }}",
                           "{{ data_interval_end | ts_nodash }}",
                           "{{ dag_run.run_id }} {{ dag.dag_id }}",
                           "{{ task.task_id }} {{ map.index }} {{ ti.try_number }}",
                           "{{ logical_date.year }}",
                           "{{ macros.ds_add(data_date, -1) }}",
                           "{{ macros.ds_range(data_date, -6, 0) | join(' ') }}",
                           "{{ ds[:4] }}",
                           "{{ 'x' ~ ds | replace('-', '') }}",
                           "{{ dag_run['run_id'] }}",
                           "{{ (data_interval_end - data_interval_start).total_seconds() }}",
                           "{{ macros.uuid() }}",
                           "{{ params.x | q }}",
                           "{{ (params.x | q) ~ '.csv' }}",
                           "{{ params.nope is none }}",
                           "{{ params.x | upper | q }}",
                           "{{ outputs.t.rows | int }}",
                           "{{ params.list | length }}",
                           "{{ next_ds }}",
                           "{{ '--full' if params.full else '' }}",
                           "{{ params.a == 'x' }}",
                           "{{ not params.a }}",
                           "{{ params.a | q if params.b else ds }}",
                           "no template",
                           "{{ ti.map_index + 1 }}",
                           "{{ run.outcome }}"}) {
    EXPECT_FALSE(Facts(text).raw) << text;
    EXPECT_EQ(Facts(text).raw_name, "") << text;
  }
}

TEST(InspectTemplate, ForeignValuesAreRaw) {
  const std::pair<const char*, const char*> cases[] = {
      {"{{ params.table }}", "params.table"},
      {"{{ ds }} {{ params['x'] }} {{ outputs.y }}", "params['x']"},
      {"{{ outputs.load.path }}", "outputs.load.path"},
      {"{{ map.item }}", "map.item"},
      {"{{ map.item.name }}", "map.item.name"},
      {"{{ dag_run.conf.x }}", "dag_run.conf.x"},
      {"{{ dag_run['conf'] }}", "dag_run['conf']"},
      {"{{ var.value.region }}", "var.value.region"},
      {"{{ params.x | q | upper }}", "params.x | q"},
      {"{{ params.x | upper }}", "params.x"},
      {"{{ (params.x | q).strip() }}", "(params.x | q).strip()"},
      {"{{ params.x.split('-') }}", "params.x"},
      {"{{ ds ~ params.x }}", "params.x"},
      {"{{ ds if params.y else params.x }}", "params.x"},
      {"{{ params.x or ds }}", "params.x"},
      {"{{ params.x | default('y') }}", "params.x"},
      {"{{ ds | replace('-', params.x) }}", "params.x"},
      {"{{ params.n | int(params.x) }}", "params.x"},
      {"{{ [params.x] }}", "params.x"},
      {"{{ params.x * 2 }}", "params.x"},
      {"{{ macros.ds_format(ds, '%Y-%m-%d', params.f) }}", "params.f"},
      {"{{ params }}", "params"},
      {"{{ params.x[0] }}", "params.x[0]"},
      {"{{ params.x[1:] }}", "params.x"},
  };
  for (const auto& [text, name] : cases) {
    const TemplateFacts facts = Facts(text);
    EXPECT_TRUE(facts.raw) << text;
    EXPECT_EQ(facts.raw_name, name) << text;
  }
}

TEST(InspectTemplate, WarnsAtOldNames) {
  const TemplateFacts facts = Facts("{{ execution_date }} {{ next_ds }}");
  ASSERT_EQ(facts.warnings.size(), 2u);
  EXPECT_EQ(facts.warnings[0], "\"execution_date\" is an old name: write {{ logical_date }}");
  EXPECT_EQ(facts.warnings[1], "\"next_ds\" is an old name: write {{ data_interval_end | ds }}");
}

TEST(InspectTemplate, RefusesWhatCannotWork) {
  const std::pair<const char*, const char*> cases[] = {
      {"{{ nope }}", "\"nope\" is not defined (column 4 of {{ nope }})"},
      {"{{ 1 if false else nope }}", "\"nope\" is not defined (column 20 of"},
      {"{{ prev_ds }}", "\"prev_ds\" is not defined (column 4"},
      {"{{ conn.x.host }}", "\"conn\" is not defined (column 4"},
      {"{{ ti.xcom_pull('a') }}", "there is no method \"xcom_pull\" (column 4"},
      {"{{ ti.duration }}", "ti has no member \"duration\" (column 4"},
      {"{{ dag }}", "dag is not a value (column 4"},
      {"{{ macros.ds_add }}", "macros.ds_add is not a value (column 4"},
      {"{{ macros.nope(1) }}", "there is no macro \"nope\" (column 4"},
      {"{{ macros.ds_add(ds) }}", "ds_add needs \"days\" (column 4"},
      {"{{ ds.strftime() }}", "strftime needs \"format\" (column 4"},
      {"{{ ds | nope }}", "there is no filter \"nope\" (column 9"},
      {"{{ ds | default(nope) }}", "\"nope\" is not defined (column 17"},
      {"{{ params[nope] }}", "\"nope\" is not defined (column 11"},
      {"{{ outputs[params.x] }}", "outputs needs a fixed name (column 4"},
      {"{{ outputs }}", "outputs is not a value (column 4"},
      {"{{ var.value }}", "var.value is not a value (column 4"},
      {"{{ secret }}", "secret is not a value (column 4"},
      {"{{ secret(params.x) }}", "secret takes one fixed name (column 4"},
      {"{{ open('x') }}", "\"open\" cannot be called (column 4"},
      {"{{ ds ", "the expression has no closing"},
      {"{% for x in y %}", "blocks ({% %}) are not part of the template language"},
  };
  for (const auto& [text, message] : cases) {
    const Result<TemplateFacts> result = InspectTemplate(text);
    ASSERT_FALSE(result.ok()) << text;
    EXPECT_EQ(result.error().code, ErrorCode::kInvalid);
    EXPECT_TRUE(result.error().message.starts_with(message)) << result.error().message;
  }
  EXPECT_EQ(InspectTemplate("{{ logical_dat }}").error().hint, "did you mean \"logical_date\"?");
  EXPECT_EQ(InspectTemplate("{{ ds | defualt('') }}").error().hint, "did you mean \"default\"?");
}

TEST(InspectTemplate, FindsEveryFault) {
  const auto faults_of = [](std::string_view text) {
    std::vector<Error> faults;
    InspectTemplate(text, &faults);
    std::vector<std::string> messages;
    for (const Error& fault : faults) {
      messages.push_back(fault.message.substr(0, fault.message.find(" of {")));
    }
    return messages;
  };
  using Messages = std::vector<std::string>;
  EXPECT_EQ(faults_of("{{ one }} {{ ds }} {{ two }}"),
            (Messages{"\"one\" is not defined (column 4", "\"two\" is not defined (column 23"}));
  EXPECT_EQ(
      faults_of("{{ one }} {{ 1 + }} {{ ds | uper }} {% if x %} {{ two"),
      (Messages{"\"one\" is not defined (column 4", "a value expected before the end (column 18",
                "there is no filter \"uper\" (column 29",
                "blocks ({% %}) are not part of the template language (column 37",
                "the expression has no closing \"}}\" (column 50"}));
  EXPECT_EQ(faults_of("{{ one ~ macros.two(three) ~ ti.four ~ params[five] }}"),
            (Messages{"\"one\" is not defined (column 4", "there is no macro \"two\" (column 10",
                      "\"three\" is not defined (column 21", "ti has no member \"four\" (column 30",
                      "\"five\" is not defined (column 47"}));
  // One fault of a path is said once.
  EXPECT_EQ(faults_of("{{ one.two.three[0] }}"), Messages{"\"one\" is not defined (column 4"});

  // However long the text, no more are looked for than are ever shown.
  for (const char* fault : {"{{ nope }}", "{{ 1 + }}", "{{ nope ~ nope }}", "{% x %}"}) {
    std::string text;
    while (text.size() < limits::kMaxJsonString) text += fault;
    const std::size_t count = faults_of(text).size();
    EXPECT_GE(count, static_cast<std::size_t>(limits::kMaxReportedErrors)) << fault;
    EXPECT_LE(count, static_cast<std::size_t>(limits::kMaxReportedErrors) + 1) << fault;
  }

  std::vector<Error> faults;
  const TemplateFacts facts = InspectTemplate("{{ nope }} {{ params.x }} {{ outputs.y }}", &faults);
  EXPECT_EQ(facts.params, Names{"x"});
  EXPECT_EQ(facts.outputs, Names{"y"});
  EXPECT_EQ(facts.raw_name, "params.x");
}

// What inspection accepts of names and calls, rendering knows too.
TEST(InspectTemplate, AgreesWithRendering) {
  for (const char* text :
       {"{{ ds }}", "{{ params.table }}", "{{ dag_run.conf.mode }}", "{{ ti.try_number }}",
        "{{ task_instance.task_id }}", "{{ var.value.region }}", "{{ var['json'].limits }}",
        "{{ outputs.list }}", "{{ macros.timedelta(days=1) }}", "{{ macros.uuid.uuid4() }}",
        "{{ execution_date }}", "{{ map.item }}", "{{ start_date }}", "{{ test_mode }}"}) {
    EXPECT_TRUE(InspectTemplate(text).ok()) << text;
    EXPECT_TRUE(RenderToText(text, testing::ExampleContext()).ok()) << text;
  }
}

}  // namespace
}  // namespace nightmill
