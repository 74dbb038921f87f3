// Thousands of short random lives of random DAGs. Whatever goes wrong on the way, a run ends as the
// oracle foretold (reliability.md I1-I10, I16, I17, I19, I26, I29-I31).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <string>

#include "tests/unit/engine/simulation.h"

namespace nightmill {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kSlowness = 8;
#else
constexpr std::uint64_t kSlowness = 1;
#endif

// A CHECK of the engine ends the program: say which life it was.
std::uint64_t current_seed = 0;
void SayTheSeed(int) { fmt::print(stderr, "seed {}\n", current_seed); }

struct RandomTest : testing::Test {
  static void SetUpTestSuite() { std::signal(SIGABRT, SayTheSeed); }
};

std::string Rows(const Database& db) {
  std::string text;
  for (const auto& [key, row] : db.tasks) {
    text += fmt::format("{} {}[{}] {} try {} {} {}\n", row.run.value, row.task_id, row.map_index,
                        ToString(row.state), row.try_number, row.skip_reason, row.failure);
  }
  return text;
}

void ExpectForetold(const RandomDag& random, const Database& db) {
  const Ending ending = Foretell(random);
  SCOPED_TRACE(random.Text() + Rows(db));
  for (const auto& [key, run] : db.runs) {
    EXPECT_EQ(run.state, ending.run_failed ? RunState::kFailed : RunState::kSuccess) << run.run_id;
    EXPECT_EQ(run.hidden_failures, ending.hidden_failures);
    const std::vector<TaskInstanceRow> rows = db.TasksOf(key);
    EXPECT_EQ(rows.size(), ending.tasks.size());
    for (const TaskInstanceRow& row : rows) {
      const std::pair<std::string, int> name{row.task_id, row.map_index};
      const auto expected = ending.tasks.find(name);
      ASSERT_TRUE(expected != ending.tasks.end()) << row.task_id << "[" << row.map_index << "]";
      EXPECT_EQ(row.state, expected->second)
          << row.task_id << "[" << row.map_index << "] " << ToString(row.state) << " and not "
          << ToString(expected->second) << " " << row.skip_reason << row.failure;
      EXPECT_EQ(row.try_number, ending.tries.at(name)) << row.task_id;
    }
  }
}

TEST_F(RandomTest, WithoutFaultsEveryRunEndsAsForetold) {
  for (std::uint64_t seed = 1; seed <= 500 / kSlowness && !HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    current_seed = seed;
    const RandomDag random = MakeRandomDag(seed, {});
    Simulation world(random, {.faults = false, .cancels = false, .runs = 2, .steps = 15});
    world.Run();
    ExpectForetold(random, world.db());
  }
}

TEST_F(RandomTest, FaultsChangeNoOutcome) {
  for (std::uint64_t seed = 10'001; seed <= 10'000 + 1'500 / kSlowness && !HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    current_seed = seed;
    const RandomDag random = MakeRandomDag(seed, {});
    const int runs = 1 + static_cast<int>(seed % 3);
    Simulation world(random, {.faults = true, .cancels = false, .runs = runs, .steps = 40});
    world.Run();
    ExpectForetold(random, world.db());
  }
}

// With timeouts, fail_fast and cancels the end depends on the order of events; that everything
// ends, that nothing overlaps and no counter is wrong does not.
TEST_F(RandomTest, EverythingEndsAlsoWithCancelsAndTimeouts) {
  for (std::uint64_t seed = 20'001; seed <= 20'000 + 1'000 / kSlowness && !HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    current_seed = seed;
    const RandomDag random = MakeRandomDag(seed, {.ordered_effects = true});
    Simulation world(random, {.faults = true, .cancels = true, .runs = 3, .steps = 40});
    world.Run();
    EXPECT_FALSE(HasFailure()) << random.Text() << Rows(world.db());
  }
}

// What users clear runs again, what they mark does not; try numbers are never used twice.
TEST_F(RandomTest, EverythingEndsAlsoWithClearsAndMarks) {
  for (std::uint64_t seed = 40'001; seed <= 40'000 + 1'000 / kSlowness && !HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    current_seed = seed;
    const RandomDag random = MakeRandomDag(seed, {.ordered_effects = true});
    Simulation world(
        random, {.faults = true, .cancels = true, .clears = true, .runs = 3, .steps = 60});
    world.Run();
    EXPECT_FALSE(HasFailure()) << random.Text() << Rows(world.db());
  }
}

TEST_F(RandomTest, EqualEventsGiveEqualCommands) {
  for (std::uint64_t seed = 30'001; seed <= 30'000 + 100 / kSlowness && !HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    current_seed = seed;
    const SimulationOptions options{.faults = true, .cancels = true, .runs = 3, .steps = 40};
    Simulation first(MakeRandomDag(seed, {.ordered_effects = true}), options);
    Simulation second(MakeRandomDag(seed, {.ordered_effects = true}), options);
    first.Run();
    second.Run();
    EXPECT_EQ(first.trace(), second.trace());
  }
}

}  // namespace
}  // namespace nightmill
