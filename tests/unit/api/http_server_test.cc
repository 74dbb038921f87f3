// The end of the HTTP server: whoever has asked gets the answer.
#include "api/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>

#include "scheduler/engine/engine.h"
#include "store/store.h"

namespace nightmill {
namespace {

// Holds every look until it is let go.
class HoldingMailbox : public Mailbox {
 public:
  Result<command::ReplyBody> Call(Request, Duration) override { return Unavailable("not here"); }
  Status Look(std::function<void(const Engine&, Instant)> look, Duration) override {
    std::unique_lock lock(mutex_);
    waiting_ += 1;
    changed_.notify_all();
    changed_.wait(lock, [this] { return let_go_; });
    look(engine_, Instant{});
    return Ok();
  }
  Status Write(std::vector<StoreRow>, Duration) override { return Ok(); }
  void OnEvents(std::function<void(EventId)>) override {}
  void Stop(bool) override {}

  void AwaitLooks(int n) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ >= n; });
  }
  void LetGo() {
    const std::lock_guard lock(mutex_);
    let_go_ = true;
    changed_.notify_all();
  }

 private:
  Engine engine_{EngineConfig{}};
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  bool let_go_ = false;
};

class HttpServerTest : public testing::Test {
 protected:
  static constexpr int kThreads = 4;

  void SetUp() override {
    std::filesystem::create_directories(folder_);
    ASSERT_TRUE(Store::Open(database_).ok());
    HttpServerOptions options;
    options.port = 0;
    options.threads = kThreads;
    auto server = HttpServer::Listen(options);
    ASSERT_TRUE(server.ok()) << server.error().message;
    server_ = *std::move(server);
    const Status started = server_->Start([this]() -> Result<std::unique_ptr<ApiContext>> {
      NM_ASSIGN_OR_RETURN(Queries queries, Queries::Open(database_, [] { return Duration{0}; }));
      return std::make_unique<ApiContext>(ApiContext{mailbox_, std::move(queries), catalog_,
                                                     folder_, "full", "0", true, false, nullptr,
                                                     nullptr, [] { return Instant{}; }});
    });
    ASSERT_TRUE(started.ok()) << started.error().message;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // A connection that has asked for `path`.
  int Ask(const std::string& path) const {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(server_->port()));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
    EXPECT_EQ(send(fd, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
    return fd;
  }
  static std::string ReadAll(int fd) {
    std::string all;
    std::array<char, 4096> buffer{};
    while (true) {
      const ssize_t n = recv(fd, buffer.data(), buffer.size(), 0);
      if (n <= 0) break;
      all.append(buffer.data(), static_cast<std::size_t>(n));
    }
    close(fd);
    return all;
  }

  const std::string folder_ = testing::TempDir() + "nm_http_" + std::to_string(getpid());
  const std::string database_ = folder_ + "/nightmill.db";
  HoldingMailbox mailbox_;
  const OperatorCatalog catalog_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, AStopLetsAnswersOut) {
  std::array<int, kThreads> asked{};
  for (int& fd : asked) fd = Ask("/health");
  mailbox_.AwaitLooks(kThreads);
  std::thread stopper([this] { server_->Stop(); });
  mailbox_.LetGo();
  for (const int fd : asked) {
    const std::string answer = ReadAll(fd);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK")) << answer;
    EXPECT_NE(answer.find("\"live_runs\""), std::string::npos) << answer;
  }
  stopper.join();
}

}  // namespace
}  // namespace nightmill
