#include "worker/runtime/process_runner.h"

#include <algorithm>
#include <utility>

namespace nightmill {
namespace {

using namespace std::chrono_literals;

constexpr Duration kLookEvery = 200ms;
constexpr Duration kLookOften = 50ms;

}  // namespace

ProcessRunner::ProcessRunner(ProcessContext context)
    : context_(std::move(context)), look_timer_(context_.io) {
  context_.observer.finished =
      [this, finished = std::move(context_.observer.finished)](AttemptReport report) {
        tasks_.erase(report.id);
        finished(std::move(report));
      };
}

void ProcessRunner::Start(AttemptSpec spec) {
  const AttemptId id = spec.id;
  const auto task = std::make_shared<ProcessTask>(context_, std::move(spec));
  tasks_.insert_or_assign(id, task);
  task->Start();
  if (!looking_) Look();
}

void ProcessRunner::End(AttemptId attempt, EndCause cause) {
  const auto it = tasks_.find(attempt);
  if (it == tasks_.end()) return;
  const std::shared_ptr<ProcessTask> task = it->second;  // End may erase it
  task->End(cause);
}

void ProcessRunner::EndAll(EndCause cause) {
  const auto tasks = tasks_;
  for (const auto& [id, task] : tasks) task->End(cause);
}

void ProcessRunner::AppendHeld(std::vector<wire::HeldAttempt>& held) const {
  for (const auto& [id, task] : tasks_) {
    held.push_back({id, task->spec().epoch, task->spec().incarnation, task->state()});
  }
}

// Runs only while there are tasks: an idle worker does not wake up.
void ProcessRunner::Look() {
  looking_ = !tasks_.empty();
  if (!looking_) return;
  const auto tasks = tasks_;
  for (const auto& [id, task] : tasks) task->Look();
  // Daemons that tasks left to themselves and that died since.
  static_cast<void>(context_.offspring.Orphans());
  const bool often = std::any_of(tasks_.begin(), tasks_.end(),
                                 [](const auto& task) { return task.second->restless(); });
  look_timer_.expires_after(often ? kLookOften : kLookEvery);
  look_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) Look();
  });
}

}  // namespace nightmill
