// Handler threads with a bounded queue; each owns its ApiContext. Private to the HTTP server.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "api/http_server.h"

namespace nightmill {

class HandlerPool {
 public:
  using Job = std::function<void(ApiContext&)>;
  static constexpr std::size_t kMaxQueued = 256;

  Status Start(int threads, const HttpServer::MakeContext& make_context) {
    for (int i = 0; i < threads; ++i) {
      NM_ASSIGN_OR_RETURN(std::unique_ptr<ApiContext> context, make_context());
      threads_.emplace_back([this, owned = std::move(context)] { Work(*owned); });
    }
    return Ok();
  }
  ~HandlerPool() { Stop(); }

  // False if too much is waiting.
  bool Submit(Job job) {
    {
      const std::lock_guard lock(mutex_);
      if (stopped_ || jobs_.size() >= kMaxQueued) return false;
      jobs_.push_back(std::move(job));
    }
    ready_.notify_one();
    return true;
  }
  void Stop() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    ready_.notify_all();
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
    threads_.clear();
  }

 private:
  void Work(ApiContext& context) {
    while (true) {
      Job job;
      {
        std::unique_lock lock(mutex_);
        ready_.wait(lock, [this] { return stopped_ || !jobs_.empty(); });
        if (jobs_.empty()) return;
        job = std::move(jobs_.front());
        jobs_.pop_front();
      }
      job(context);
    }
  }

  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Job> jobs_;
  std::vector<std::thread> threads_;
  bool stopped_ = false;
};

}  // namespace nightmill
