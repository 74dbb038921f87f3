#include "api/feed.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "api/log_file.h"
#include "core/base/json.h"

namespace nightmill {
namespace {

using nlohmann::json;

constexpr int kMaxStreams = 1'000;
constexpr int kMaxStreamsPerToken = 32;
constexpr int kMaxReplay = 10'000;
constexpr int kBatch = 1'000;
constexpr std::int64_t kLogRead = 64 << 10;
constexpr std::chrono::milliseconds kLogPause{200};  // between two looks at growing logs
constexpr std::chrono::seconds kIdlePause{1};
constexpr Duration kCommentEvery{15'000};
constexpr Duration kCheckEvery{30'000};
constexpr Duration kLife{30 * 60'000};
constexpr Duration kLifeSpread{6 * 60'000};  // 10 % either way, so that not all come back at once

std::shared_ptr<const std::string> Shared(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

}  // namespace

Feed::Feed(std::unique_ptr<ApiContext> context, Post post)
    : context_(std::move(context)), post_(std::move(post)) {}

Feed::~Feed() { Stop(); }

Status Feed::Start() {
  NM_ASSIGN_OR_RETURN(sent_, context_->queries.LastEvent());
  newest_ = sent_;
  cared_ = checked_ = context_->now();
  context_->mailbox.OnEvents([this](EventId newest) { Notify(newest); });
  thread_ = std::thread([this] { Work(); });
  return Ok();
}

void Feed::Stop() {
  if (!thread_.joinable()) return;
  context_->mailbox.OnEvents({});
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  ready_.notify_all();
  thread_.join();
}

void Feed::Notify(EventId newest) {
  {
    const std::lock_guard lock(mutex_);
    newest_ = std::max(newest_, newest);
  }
  ready_.notify_one();
}

Status Feed::Open(const HttpRequest& request, const HttpResponse& answer,
                  std::weak_ptr<StreamSink> sink) {
  Stream stream;
  stream.sink = std::move(sink);
  stream.principal = request.principal;
  if (const auto* log = std::get_if<LogStream>(&answer.stream)) {
    stream.log = *log;
    stream.is_log = true;
  } else {
    stream.events = std::get<EventStream>(answer.stream);
    NM_ASSIGN_OR_RETURN(stream.topics, Topics::Parse(stream.events.topics));
  }
  {
    const std::lock_guard lock(mutex_);
    int& of_token = by_token_[stream.principal];
    if (stopped_ || count_ >= kMaxStreams || of_token >= kMaxStreamsPerToken) {
      return Unavailable(fmt::format("there are too many streams; {} of one token and {} in all "
                                     "are the limit",
                                     kMaxStreamsPerToken, kMaxStreams),
                         "close some, or try again later");
    }
    of_token += 1;
    count_ += 1;
    const Duration spread{(static_cast<std::int64_t>(count_) * 7'919) % kLifeSpread.count()};
    stream.until = context_->now() + kLife - kLifeSpread / 2 + spread;
    newcomers_.push_back(std::move(stream));
  }
  ready_.notify_one();
  return Ok();
}

void Feed::Work() {
  while (true) {
    std::vector<Stream> newcomers;
    EventId newest;
    {
      std::unique_lock lock(mutex_);
      const auto woken = [this] { return stopped_ || !newcomers_.empty() || newest_ > sent_; };
      const bool logs = std::any_of(streams_.begin(), streams_.end(),
                                    [](const Stream& stream) { return stream.is_log; });
      if (streams_.empty()) {
        ready_.wait(lock, woken);
      } else if (logs) {
        ready_.wait_for(lock, kLogPause, woken);
      } else {
        ready_.wait_for(lock, kIdlePause, woken);
      }
      if (stopped_) return;
      newcomers.swap(newcomers_);
      newest = newest_;
    }
    if (newest > sent_) SendEvents(newest);
    for (Stream& stream : newcomers) Join(std::move(stream));
    std::erase_if(streams_, [this](Stream& stream) {
      const std::shared_ptr<StreamSink> sink = stream.sink.lock();
      const bool over = sink == nullptr || sink->IsGone() || (stream.is_log && !ReadLog(stream));
      if (over) Forget(stream);
      return over;
    });
    Care();
  }
}

void Feed::Join(Stream stream) {
  Send(stream, Shared(": nightmill\n\n"));
  if (!stream.is_log && !Replay(stream)) return Forget(stream);
  streams_.push_back(std::move(stream));
}

// What came after the last id that the reader knows, up to where live sending is. False if the
// database does not answer; then the reader comes back.
bool Feed::Replay(Stream& stream) {
  if (!stream.events.last_id) return true;
  EventId at(*stream.events.last_id);
  if (at.value > sent_.value || sent_.value - at.value > kMaxReplay) {
    Send(stream, Shared(ResyncText(sent_)));
    return true;
  }
  while (at < sent_) {
    const Result<std::vector<EventView>> events = context_->queries.EventsAfter(at, {}, kBatch);
    if (!events.ok() || events->empty()) {
      Send(stream, Shared(ResyncText(sent_)), !events.ok());
      return events.ok();
    }
    std::string text;
    for (const EventView& event : *events) {
      if (event.event.id > sent_) break;
      if (stream.topics.Match(event)) text += EventText(event);
    }
    if (!text.empty()) Send(stream, Shared(std::move(text)));
    at = events->back().event.id;
  }
  return true;
}

void Feed::SendEvents(EventId upto) {
  const bool wanted = std::any_of(streams_.begin(), streams_.end(),
                                  [](const Stream& stream) { return !stream.is_log; });
  if (!wanted) {
    sent_ = upto;
    return;
  }
  while (sent_ < upto) {
    const Result<std::vector<EventView>> events = context_->queries.EventsAfter(sent_, {}, kBatch);
    if (!events.ok() || events->empty()) {
      for (const Stream& stream : streams_) {
        if (!stream.is_log) Send(stream, Shared(ResyncText(upto)));
      }
      sent_ = upto;
      return;
    }
    for (const EventView& event : *events) {
      Text text;
      for (const Stream& stream : streams_) {
        if (stream.is_log || !stream.topics.Match(event)) continue;
        if (text == nullptr) text = Shared(EventText(event));
        Send(stream, text);
      }
    }
    sent_ = events->back().event.id;
  }
}

// False once the attempt has ended and all of its log is sent.
bool Feed::ReadLog(Stream& stream) {
  // Asked before the file is read: what an ended attempt wrote is all there.
  const Result<std::optional<TaskAttemptRow>> attempt =
      context_->queries.FindAttempt(AttemptId(stream.log.attempt));
  const bool open =
      attempt.ok() && attempt->has_value() && (*attempt)->state != AttemptState::kEnded;
  LogChunk chunk = open ? ReadLogLines(stream.log.path, stream.log.offset, kLogRead)
                        : nightmill::ReadLog(stream.log.path, stream.log.offset, kLogRead);
  if (chunk.text.empty() && open) return true;
  stream.log.offset = chunk.next;
  const bool last = !open && !chunk.more;
  const json data = {{"content", LinesOf(chunk.text)}, {"offset", chunk.next}, {"open", !last}};
  Send(stream,
       Shared(fmt::format("event: log\nid: {}\ndata: {}\n\n", chunk.next,
                          data.dump(-1, ' ', false, json::error_handler_t::replace))),
       last);
  return !last;
}

// Comments that keep connections open; the end of streams that are old or whose token is not valid
// any more.
void Feed::Care() {
  const Instant now = context_->now();
  if (now - cared_ >= kCommentEvery) {
    cared_ = now;
    const Text comment = Shared(":\n\n");
    for (const Stream& stream : streams_) Send(stream, comment);
  }
  if (now - checked_ < kCheckEvery) return;
  checked_ = now;
  const Result<std::vector<TokenRow>> tokens = context_->queries.Tokens();
  std::erase_if(streams_, [&](const Stream& stream) {
    const bool valid =
        tokens.ok() && std::any_of(tokens->begin(), tokens->end(), [&](const TokenRow& token) {
          return token.id == stream.principal && !token.revoked_at &&
                 (!token.expires_at || *token.expires_at > now);
        });
    if (valid && now < stream.until) return false;
    Send(stream, Shared(":\n\n"), true);
    Forget(stream);
    return true;
  });
}

void Feed::Send(const Stream& stream, Text text, bool last) {
  post_([sink = stream.sink, text = std::move(text), last] {
    const std::shared_ptr<StreamSink> at = sink.lock();
    if (at == nullptr) return;
    at->Push(text);
    if (last) at->Finish();
  });
}

void Feed::Forget(const Stream& stream) {
  const std::lock_guard lock(mutex_);
  count_ -= 1;
  const auto it = by_token_.find(stream.principal);
  if (it != by_token_.end() && --it->second <= 0) by_token_.erase(it);
}

}  // namespace nightmill
