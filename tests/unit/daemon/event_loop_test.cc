// What becomes of a caller's look at the engine when the loop does not come to it in time.
#include "scheduler/daemon/event_loop.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <thread>

#include "core/base/limits.h"

namespace nightmill {
namespace {

class EventLoopTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(store_.ok()) << store_.error().message; }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string MakeFolder() {
    const std::string folder = testing::TempDir() + "nm_loop_" + std::to_string(getpid());
    std::filesystem::create_directories(folder);
    return folder;
  }

  const std::string folder_ = MakeFolder();
  boost::asio::io_context io_{1};
  Engine engine_{EngineConfig{}};
  Result<Store> store_ = Store::Open(folder_ + "/nightmill.db");
  EventLoop loop_{io_, engine_, *store_};
};

TEST_F(EventLoopTest, ALookThatWasGivenUpNeverHappens) {
  bool looked = false;
  const Status answered =
      loop_.Look([&looked](const Engine&, Instant) { looked = true; }, Duration{1});
  EXPECT_EQ(answered.error().code, ErrorCode::kUnavailable);
  io_.poll();
  EXPECT_FALSE(looked) << "its caller has gone, with what it would have looked with";
}

TEST_F(EventLoopTest, ALookThatHasBegunIsWaitedFor) {
  std::promise<void> begun;
  std::promise<void> go_on;
  int looked = 0;
  Status answered = Ok();
  std::thread caller([&] {
    answered = loop_.Look(
        [&](const Engine&, Instant) {
          begun.set_value();
          go_on.get_future().wait();
          looked = 1;
        },
        Duration{200});
  });
  std::thread scheduler([&] { io_.run_one(); });  // the watch of the clock keeps it waiting
  begun.get_future().wait();
  // Whether its time is over before or after this, it is answered.
  go_on.set_value();
  caller.join();
  scheduler.join();
  EXPECT_TRUE(answered.ok());
  EXPECT_EQ(looked, 1);
}

TEST_F(EventLoopTest, ClosingAnswersWhoWaits) {
  Status answered = Ok();
  std::promise<void> called;
  std::thread caller([&] {
    called.set_value();
    answered = loop_.Look([](const Engine&, Instant) {}, Duration{600'000});
  });
  called.get_future().wait();
  loop_.Close();
  caller.join();
  EXPECT_EQ(answered.error().code, ErrorCode::kUnavailable);
  EXPECT_FALSE(loop_.Write({}, Duration{1}).ok());
}

}  // namespace
}  // namespace nightmill
