// `op run` and `table files|head` as commands: what goes to which stream, and what a wrong command
// line or spec is told.
#include "operators/op_command.h"

#include <gtest/gtest.h>

#include <sstream>

#include "tests/unit/operators/operator_harness.h"

namespace nightmill {
namespace {

using Json = nlohmann::json;

struct Answer {
  int code = 0;
  std::string out;
  std::string err;
};

Answer Op(std::vector<std::string> args) {
  std::ostringstream out;
  std::ostringstream err;
  const int code = RunOpCommand(args, out, err);
  return {code, out.str(), err.str()};
}

Answer Table(std::vector<std::string> args) {
  std::ostringstream out;
  std::ostringstream err;
  const int code = RunTableCommand(args, out, err);
  return {code, out.str(), err.str()};
}

Json Spec() {
  return {{"type", "convert"},
          {"in", {{"path", "a.csv"}}},
          {"schema", {{"k", "int64"}}},
          {"out", {{"path", "t"}, {"partition", {{"day", "1"}}}}}};
}

class OpCommand : public ::testing::Test {
 protected:
  OpCommand() { h_.dir.Write("a.csv", "k\n1\n"); }

  Answer Run(const Json& spec, std::vector<std::string> more = {}) {
    h_.dir.Write("spec.json", spec.dump());
    std::vector<std::string> args{h_.dir.At("spec.json"), "--data-root", h_.dir.path()};
    args.insert(args.end(), more.begin(), more.end());
    return Op(args);
  }

  OperatorHarness h_;
};

TEST_F(OpCommand, PrintsTheReportOrTheErrorAsJson) {
  const Answer good = Run(Spec());
  EXPECT_EQ(good.code, 0) << good.err;
  EXPECT_EQ(Json::parse(good.out)["outcome"], "published");
  Json spec = Spec();
  spec["in"]["path"] = "nowhere.csv";
  const Answer bad = Run(spec);
  EXPECT_EQ(bad.code, 3);
  EXPECT_EQ(Json::parse(bad.out)["error"]["code"], "io");
  EXPECT_TRUE(bad.err.starts_with("error: io: ")) << bad.err;
}

// A task cut out of a DAG file runs as it is, as long as nothing of its data waits for the daemon.
TEST_F(OpCommand, RefusesTemplatesInWhatShapesData) {
  for (const char* text : {"{{ ds }}", "x{% if a %}"}) {
    Json spec = Spec();
    spec["out"]["partition"]["day"] = text;
    const Answer answer = Run(spec);
    EXPECT_EQ(answer.code, 2) << answer.err;
    const Json error = Json::parse(answer.out)["error"];
    EXPECT_EQ(error["code"], "bad_spec");
    EXPECT_TRUE(error["message"].get<std::string>().starts_with("/out/partition/day: ")) << error;
    EXPECT_TRUE(h_.Rows("t").contains("error"));
  }
  Json spec = Spec();
  spec["when"] = "{{ params.on }}";
  EXPECT_EQ(Run(spec).code, 0);
  // A daemon's spec is rendered: what looks like a template in it is a value.
  spec["out"]["partition"]["day"] = "{{ ds }}";
  EXPECT_EQ(h_.Report(spec).value("outcome", ""), "published");
}

TEST_F(OpCommand, SaysWhatIsWrongWithTheCommandLine) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"--memory", "foo"}, "--memory foo: not a size"},
      {{"--memory", "1MB"}, "--memory 1MB: the least budget is 16MiB"},
      {{"--threads", "0"}, "--threads 0: a whole number"},
      {{"--thraeds", "1"}, "unknown option --thraeds"},
      {{"--threads"}, "--threads needs a value"},
      {{"b.json"}, "one SPEC is needed"},
  };
  for (const auto& [args, words] : cases) {
    const Answer answer = Run(Spec(), args);
    EXPECT_EQ(answer.code, 2);
    EXPECT_TRUE(answer.err.starts_with(std::string("error: ") + words)) << answer.err;
    EXPECT_NE(answer.err.find("\nusage: op run "), std::string::npos) << answer.err;
    EXPECT_EQ(answer.out, "");
  }
  EXPECT_EQ(Run(Spec(), {"--memory", "16MiB"}).code, 0);
}

TEST_F(OpCommand, ABudgetBelowTheLeastIsRefused) {
  Json spec = Spec();
  for (const Json& memory : {Json("1MB"), Json(16'777'215)}) {
    spec["memory"] = memory;
    const Json error = h_.Report(spec)["error"];
    EXPECT_EQ(error["code"], "bad_spec") << error;
    EXPECT_TRUE(error["message"].get<std::string>().starts_with("/memory: ")) << error;
    EXPECT_NE(error["hint"].get<std::string>().find("16MiB"), std::string::npos);
  }
  spec["memory"] = 16'777'216;
  EXPECT_EQ(h_.Report(spec).value("outcome", ""), "published");
}

// A script loops over the lines of `table files`.
TEST_F(OpCommand, TableErrorsAreJsonOnlyWhereItIsAskedFor) {
  for (const char* verb : {"files", "head"}) {
    const Answer plain = Table({verb, h_.dir.At("nowhere")});
    EXPECT_EQ(plain.code, 3);
    EXPECT_EQ(plain.out, "");
    EXPECT_TRUE(plain.err.starts_with("error: io: ")) << plain.err;
    const Answer json = Table({verb, h_.dir.At("nowhere"), "-o", "json"});
    EXPECT_EQ(json.code, 3);
    EXPECT_EQ(Json::parse(json.out)["error"]["code"], "io");
  }
}

TEST_F(OpCommand, TableSaysWhatIsWrongWithTheCommandLine) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"head", "t", "-n", "-1"}, "-n -1: a number of rows"},
      {{"head", "t", "-o", "xml"}, "-o xml: table or json"},
      {{"head", "t", "--partiton", "a=1"}, "unknown option --partiton"},
      {{"tail", "t"}, "table has no verb tail"},
      {{"head"}, "a verb and one PATH are needed"},
  };
  for (const auto& [args, words] : cases) {
    const Answer answer = Table(args);
    EXPECT_EQ(answer.code, 2);
    EXPECT_TRUE(answer.err.starts_with(std::string("error: ") + words)) << answer.err;
    EXPECT_EQ(answer.out, "");
  }
}

}  // namespace
}  // namespace nightmill
