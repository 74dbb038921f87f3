// What goes on after its first answer: events as they are committed, and logs as they grow. One
// thread of its own reads both, so that the I/O thread touches neither database nor files; an event
// is encoded once for all streams (reliability.md 6.3).
//
// Thread rule: Open and Notify from any thread; sinks are called through `post` only.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "api/routes.h"
#include "api/topics.h"

namespace nightmill {

// The connection at the other end. On the I/O thread only, but for IsGone.
class StreamSink {
 public:
  virtual ~StreamSink() = default;
  virtual void Push(std::shared_ptr<const std::string> text) = 0;
  // Sends what was pushed, then closes.
  virtual void Finish() = 0;
  virtual bool IsGone() const = 0;
};

class Feed {
 public:
  using Post = std::function<void(std::function<void()>)>;
  Feed(std::unique_ptr<ApiContext> context, Post post);
  ~Feed();

  Status Start();
  void Stop();
  // Events up to this number are committed.
  void Notify(EventId newest);
  // kUnavailable if there are too many streams, in all or of one token. `request` has its
  // principal; `stream` is what its handler asked for.
  Status Open(const HttpRequest& request, const HttpResponse& answer,
              std::weak_ptr<StreamSink> sink);

 private:
  struct Stream {
    std::weak_ptr<StreamSink> sink;
    std::string principal;
    Instant until;  // of its life
    Topics topics;
    EventStream events;
    LogStream log;
    bool is_log = false;
  };
  using Text = std::shared_ptr<const std::string>;

  void Work();
  void Join(Stream stream);
  bool Replay(Stream& stream);
  void SendEvents(EventId upto);
  bool ReadLog(Stream& stream);
  void Care();
  void Send(const Stream& stream, Text text, bool last = false);
  void Forget(const Stream& stream);

  std::unique_ptr<ApiContext> context_;
  Post post_;
  std::thread thread_;
  std::vector<Stream> streams_;  // of the thread
  EventId sent_;
  Instant cared_;
  Instant checked_;

  std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<Stream> newcomers_;
  std::map<std::string, int> by_token_;
  int count_ = 0;
  EventId newest_;
  bool stopped_ = false;
};

}  // namespace nightmill
