// A worker process and the daemon's side of its socket, played by the test: a small second
// implementation of the gateway that says exactly what the test tells it to. Everything waits on
// conditions with one generous deadline; a missed one throws, which fails the test.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <deque>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "worker/protocol/codec.h"
#include "worker/runtime/unique_fd.h"

namespace nightmill {

class FakeDaemon {
 public:
  explicit FakeDaemon(const std::string& socket_path, std::int64_t epoch = 1);

  // Waits for a worker and its Hello.
  wire::Hello Accept();
  void Welcome(std::vector<wire::AttemptVerdict> verdicts = {});
  void Send(const wire::ToWorker& message);
  void SendBytes(std::string_view bytes);
  // The next message of this type; others are kept for later.
  template <class Message>
  Message Expect() {
    for (auto it = queue_.begin();;) {
      for (; it != queue_.end(); ++it) {
        if (auto* found = std::get_if<Message>(&*it)) {
          Message message = std::move(*found);
          queue_.erase(it);
          return message;
        }
      }
      const std::size_t seen = queue_.size();
      Receive();
      it = queue_.begin() + static_cast<std::ptrdiff_t>(seen);
    }
  }
  AttemptReport ExpectReport() { return Expect<wire::Finished>().report; }
  // Whether such a message is already here or arrives before the answer to a poke sent now.
  template <class Message>
  bool Has() {
    Fence();
    for (const wire::ToDaemon& message : queue_) {
      if (std::holds_alternative<Message>(message)) return true;
    }
    return false;
  }
  // Everything the worker did because of what was sent before is now in the queue.
  void Fence();
  // True once the worker closed the connection.
  bool SeesEnd();
  void Disconnect();

  std::int64_t epoch;

 private:
  void Receive();

  std::string socket_path_;
  UniqueFd listener_;
  UniqueFd connection_;
  wire::FrameReader reader_;
  std::deque<wire::ToDaemon> queue_;
  std::int64_t last_poke_ = 1'000'000;
};

class WorkerTest : public testing::Test {
 protected:
  WorkerTest();
  ~WorkerTest() override;

  // Starts the worker process (and replaces the handle to an earlier one).
  void StartWorker(std::vector<std::string> more_args = {});
  // StartWorker, Accept, Welcome.
  void Connect();
  void Signal(int signal);
  // Its wait status.
  int WaitForExit();

  AttemptSpec Process(std::vector<std::string> argv);
  AttemptSpec Shell(const std::string& script);
  AttemptSpec Native(const std::string& type, std::string spec = "{}");
  void Start(const AttemptSpec& spec) { daemon.Send(wire::StartAttempt{spec}); }
  AttemptReport Run(const AttemptSpec& spec);

  std::string Path(const std::string& name) const { return dir_ + "/" + name; }
  std::string ReadText(const std::string& path) const;
  // Live processes that carry the mark of this attempt.
  std::size_t Marked(const AttemptSpec& spec) const;

  std::string dir_;
  FakeDaemon daemon;
  Incarnation incarnation = 0;
  pid_t worker = 0;

 private:
  std::int64_t next_attempt_ = 1;
};

std::string TestWorkerProgram();

// Polls until `condition` holds; throws after the deadline.
void Eventually(const std::function<bool()>& condition, const char* what);

template <class Outcome>
bool Is(const AttemptReport& report) {
  return std::holds_alternative<Outcome>(report.outcome);
}
inline outcome::Failed Failure(const AttemptReport& report) {
  const auto* failed = std::get_if<outcome::Failed>(&report.outcome);
  if (failed == nullptr) return {std::string(OutcomeWord(report.outcome)), "", -1, 0};
  return *failed;
}

}  // namespace nightmill
