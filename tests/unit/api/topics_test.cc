#include "api/topics.h"

#include <gtest/gtest.h>

#include "core/base/json.h"

namespace nightmill {
namespace {

EventView Event(std::string kind, std::string dag_id = "", std::string run_id = "") {
  EventView view;
  view.event.id = EventId(7);
  view.event.kind = std::move(kind);
  view.event.dag_id = std::move(dag_id);
  view.run_id = std::move(run_id);
  return view;
}

bool Sent(const std::vector<std::string>& topics, const EventView& event) {
  return Topics::Parse(topics).value().Match(event);
}

TEST(TopicsTest, EachTopicHasItsEvents) {
  EventView backfilled = Event("run.state", "d", "r");
  backfilled.backfill = BackfillId(3);
  EventView created = Event("backfill.state", "d");
  created.event.data = R"({"backfill":3,"to":"active"})";
  EXPECT_TRUE(Sent({"runs"}, Event("run.state", "d", "r")));
  EXPECT_TRUE(Sent({"runs"}, Event("dag.applied", "d")));
  EXPECT_FALSE(Sent({"runs"}, Event("task.state", "d", "r")));
  EXPECT_TRUE(Sent({"dag:d"}, Event("task.state", "d", "r")));
  EXPECT_FALSE(Sent({"dag:d"}, Event("task.state", "e", "r")));
  EXPECT_TRUE(Sent({"run:d/r"}, Event("task.state", "d", "r")));
  EXPECT_FALSE(Sent({"run:d/r"}, Event("task.state", "d", "s")));
  EXPECT_TRUE(Sent({"backfill:3"}, backfilled));
  EXPECT_TRUE(Sent({"backfill:3"}, created));
  EXPECT_FALSE(Sent({"backfill:4"}, created));
  EXPECT_TRUE(Sent({"server", "sla"}, Event("pool.changed")));
  EXPECT_TRUE(Sent({"server", "sla"}, Event("sla.state")));
  EXPECT_FALSE(Sent({"server", "sla"}, Event("run.state", "d", "r")));
}

TEST(TopicsTest, OtherWordsAreRefused) {
  for (const char* word : {"", "all", "dag", "dag:", "run:d", "backfill:", "backfill:x"}) {
    EXPECT_FALSE(Topics::Parse({word}).ok()) << word;
  }
}

TEST(TopicsTest, TextOfAnEvent) {
  EventView view = Event("task.state", "d", "r");
  view.event.task_id = "t";
  view.event.data = R"({"from":"none","to":"queued","try":2})";
  const std::string text = EventText(view);
  ASSERT_TRUE(text.starts_with("id: 7\ndata: {"));
  ASSERT_TRUE(text.ends_with("}\n\n"));
  const auto data = nlohmann::json::parse(text.substr(text.find('{')));
  EXPECT_EQ(data.at("state"), "queued");
  EXPECT_TRUE(data.at("previous_state").is_null());
  EXPECT_EQ(data.at("try_number"), 2);
  EXPECT_EQ(data.at("map_index"), -1);
  EXPECT_EQ(ResyncText(EventId(9)), "event: resync\nid: 9\ndata: {\"last_id\":9}\n\n");
}

}  // namespace
}  // namespace nightmill
