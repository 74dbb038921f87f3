// Trigger rules against a second evaluator that knows single parents, not counts, for every
// combination of up to four parents; and against the cases of Airflow's own tests.
#include "core/rules/trigger_rule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "core/base/json.h"

namespace nightmill {
namespace {

enum class P { kPending, kSuccess, kFailed, kUpstreamFailed, kSkipped };
struct Parent {
  P state = P::kPending;
  bool setup = false;
};
using Parents = std::vector<Parent>;

template <class F>
bool All(const Parents& parents, F f) {
  return std::all_of(parents.begin(), parents.end(), f);
}
template <class F>
bool Any(const Parents& parents, F f) {
  return std::any_of(parents.begin(), parents.end(), f);
}

bool Done(const Parent& p) { return p.state != P::kPending; }
bool Good(const Parent& p) { return p.state == P::kSuccess; }
bool Bad(const Parent& p) { return p.state == P::kFailed || p.state == P::kUpstreamFailed; }
bool Skipped(const Parent& p) { return p.state == P::kSkipped; }
bool GoodOrSkipped(const Parent& p) { return Good(p) || Skipped(p); }
bool Ran(const Parent& p) { return p.state == P::kSuccess || p.state == P::kFailed; }

struct Expected {
  bool runs = false;
  bool upstream_failed = false;
  bool skipped = false;
};

Expected ExpectTeardown(const Parents& parents) {
  Parents setups;
  std::copy_if(parents.begin(), parents.end(), std::back_inserter(setups),
               [](const Parent& p) { return p.setup; });
  if (!All(parents, Done)) return {};
  if (setups.empty() || Any(setups, Good)) return {.runs = true};
  if (All(setups, Skipped)) return {.skipped = true};
  return {.upstream_failed = true};
}

// The prose of the rules, one parent at a time. `parents` is not empty.
Expected Expect(const std::string& rule, const Parents& parents) {
  const bool done = All(parents, Done);
  const auto pending_or_skipped = [](const Parent& p) { return !Done(p) || Skipped(p); };
  if (rule == "all_success") return {All(parents, Good), Any(parents, Bad), Any(parents, Skipped)};
  if (rule == "all_failed") return {All(parents, Bad), false, Any(parents, GoodOrSkipped)};
  if (rule == "all_done") return {done, false, false};
  if (rule == "all_done_min_one_success") {
    const bool none_skipped = !Any(parents, Skipped);
    return {done && none_skipped && Any(parents, Good), done && All(parents, Bad), !none_skipped};
  }
  if (rule == "all_skipped") {
    return {All(parents, Skipped), false, !All(parents, pending_or_skipped)};
  }
  if (rule == "one_success") {
    const bool lost = done && !Any(parents, Good);
    return {Any(parents, Good), lost && Any(parents, Bad), lost && !Any(parents, Bad)};
  }
  if (rule == "one_failed") return {Any(parents, Bad), false, All(parents, GoodOrSkipped)};
  if (rule == "one_done") return {Any(parents, Ran), false, done && !Any(parents, Ran)};
  if (rule == "none_failed") return {All(parents, GoodOrSkipped), Any(parents, Bad), false};
  if (rule == "none_failed_min_one_success") {
    return {All(parents, GoodOrSkipped), Any(parents, Bad), All(parents, Skipped)};
  }
  if (rule == "none_skipped") {
    return {All(parents, [](const Parent& p) { return Good(p) || Bad(p); }), false,
            Any(parents, Skipped)};
  }
  if (rule == "always") return {.runs = true};
  EXPECT_EQ(rule, "all_done_setup_success");
  return ExpectTeardown(parents);
}

UpstreamCounts Count(const Parents& parents) {
  UpstreamCounts c;
  for (const Parent& p : parents) {
    ++c.total;
    c.success += p.state == P::kSuccess;
    c.failed += p.state == P::kFailed;
    c.upstream_failed += p.state == P::kUpstreamFailed;
    c.skipped += p.state == P::kSkipped;
    c.setups += p.setup;
    c.setup_success += p.setup && p.state == P::kSuccess;
    c.setup_skipped += p.setup && p.state == P::kSkipped;
  }
  return c;
}

std::string Text(const Parents& parents) {
  std::string text;
  for (const Parent& p : parents) {
    text += "PSFUK"[static_cast<int>(p.state)];
    if (p.setup) text += '*';
  }
  return text;
}

// Every assignment of a state and a setup flag to `n` parents.
std::vector<Parents> Combinations(int n) {
  std::vector<Parents> all = {{}};
  for (int i = 0; i < n; ++i) {
    std::vector<Parents> longer;
    for (const Parents& parents : all) {
      for (int choice = 0; choice < 10; ++choice) {
        longer.push_back(parents);
        longer.back().push_back({static_cast<P>(choice / 2), choice % 2 == 1});
      }
    }
    all = std::move(longer);
  }
  return all;
}

TEST(TriggerRules, AgreeWithASecondEvaluatorOnAllParentsUpToFour) {
  for (int n = 1; n <= 4; ++n) {
    for (const Parents& parents : Combinations(n)) {
      const UpstreamCounts counts = Count(parents);
      for (const TriggerRuleRow& row : TriggerRules()) {
        const Expected expected = Expect(std::string(row.word), parents);
        const Verdict verdict = expected.upstream_failed ? Verdict::kUpstreamFailed
                                : expected.skipped       ? Verdict::kSkip
                                : expected.runs          ? Verdict::kRun
                                                         : Verdict::kWait;
        ASSERT_EQ(Evaluate(row.rule, counts), verdict) << row.word << ' ' << Text(parents);
        ASSERT_EQ(EvaluateWithoutPropagation(row.rule, counts),
                  expected.runs ? Verdict::kRun : Verdict::kWait)
            << row.word << ' ' << Text(parents);
      }
    }
  }
}

TEST(TriggerRules, NoParentsMeansRun) {
  for (const TriggerRuleRow& row : TriggerRules()) {
    EXPECT_EQ(Evaluate(row.rule, {}), Verdict::kRun) << row.word;
    EXPECT_EQ(EvaluateWithoutPropagation(row.rule, {}), Verdict::kRun) << row.word;
  }
}

// No run can wait for ever because of a rule.
TEST(TriggerRules, NeverWaitOnceAllParentsAreDone) {
  for (const Parents& parents : Combinations(3)) {
    if (!All(parents, Done)) continue;
    for (const TriggerRuleRow& row : TriggerRules()) {
      EXPECT_NE(Evaluate(row.rule, Count(parents)), Verdict::kWait) << row.word << Text(parents);
    }
  }
}

// A verdict once given stays when more parents finish; of the rules with propagation only
// all_success depends on the order (semantics.md 3.2), which is why the engine delays its skip.
TEST(TriggerRules, OnlyAllSuccessDependsOnTheOrder) {
  for (const Parents& before : Combinations(3)) {
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (Done(before[i])) continue;
      for (int state = 1; state <= 4; ++state) {
        Parents after = before;
        after[i].state = static_cast<P>(state);
        for (const TriggerRuleRow& row : TriggerRules()) {
          const Verdict first = Evaluate(row.rule, Count(before));
          if (first == Verdict::kWait) continue;
          const bool delayed = row.rule == TriggerRule::kAllSuccess && first == Verdict::kSkip;
          if (!delayed) {
            EXPECT_EQ(Evaluate(row.rule, Count(after)), first)
                << row.word << ' ' << Text(before) << " -> " << Text(after);
          }
        }
      }
    }
  }
}

std::string AirflowWord(Verdict verdict) {
  return verdict == Verdict::kRun ? "runnable" : std::string(ToString(verdict));
}

TEST(TriggerRules, AgreeWithAirflowsOwnCases) {
  std::ifstream file(NM_SOURCE_DIR "/tests/data/trigger_rules.jsonl");
  int cases = 0;
  for (std::string line; std::getline(file, line); ++cases) {
    const auto c = nlohmann::json::parse(line);
    const auto& states = c.at("states");
    UpstreamCounts counts;
    counts.total = c.at("upstream").get<int>() - states.at("removed").get<int>();
    counts.success = states.at("success").get<int>();
    counts.failed = states.at("failed").get<int>();
    counts.upstream_failed = states.at("upstream_failed").get<int>();
    counts.skipped = states.at("skipped").get<int>();
    const auto rule = ParseTriggerRule(c.at("rule").get<std::string>());
    ASSERT_TRUE(rule) << line;
    EXPECT_EQ(AirflowWord(Evaluate(*rule, counts)), c.at("expected").get<std::string>()) << line;
    EXPECT_EQ(AirflowWord(EvaluateWithoutPropagation(*rule, counts)),
              c.at("expected_without_propagation").get<std::string>())
        << line;
  }
  EXPECT_EQ(cases, 38);
}

TEST(TriggerRules, WordsGoBothWaysAndOnlyTeardownIsFixed) {
  std::set<std::string_view> words;
  for (const TriggerRuleRow& row : TriggerRules()) {
    EXPECT_EQ(ParseTriggerRule(row.word), row.rule);
    EXPECT_EQ(ToString(row.rule), row.word);
    EXPECT_TRUE(words.insert(row.word).second);
    EXPECT_EQ(row.user_settable, row.rule != TriggerRule::kAllDoneSetupSuccess);
  }
  EXPECT_EQ(words.size(), 13u);
  EXPECT_EQ(ParseTriggerRule("dummy"), std::nullopt);
}

}  // namespace
}  // namespace nightmill
