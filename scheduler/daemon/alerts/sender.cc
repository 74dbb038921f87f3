#include "scheduler/daemon/alerts/sender.h"

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

#include "core/base/check.h"
#include "core/base/json.h"
#include "scheduler/daemon/alerts/command_post.h"
#include "scheduler/daemon/alerts/http_post.h"
#include "scheduler/daemon/alerts/payload.h"
#include "scheduler/daemon/alerts/signature.h"

namespace nightmill {
namespace {

constexpr int kMaxInFlight = 16;
constexpr Duration kSlackPace{1'000};
constexpr Duration kWriteTimeout{10'000};
constexpr Duration kTryAgain{1'000};     // after a failure of our own store
constexpr Duration kLongestNap{60'000};  // wall time may be set meanwhile
constexpr std::string_view kGone = "its receiver answered 410 Gone";

// Signals are for the main thread; a closed connection is an error code, not a signal.
void BlockSignals() {
  sigset_t set;
  sigfillset(&set);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

HttpMessage MessageFor(const Notifier& notifier, const std::vector<DeliveryView>& rows, Instant now,
                       std::string_view page) {
  const DeliveryView& first = rows.front();
  HttpMessage message;
  switch (notifier.type) {
    case Notifier::Type::kWebhook: {
      message.body = WebhookBody(first.alert, page);
      const std::string id = DeliveryId(first.alert, notifier.rule.name);
      const std::string at =
          std::to_string(std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count());
      message.headers = {{"webhook-id", id},
                         {"webhook-timestamp", at},
                         {"webhook-signature", SignatureOf(notifier.keys, id, at, message.body)}};
      break;
    }
    case Notifier::Type::kSlack: {
      std::vector<AlertRow> alerts;
      for (const DeliveryView& row : rows) alerts.push_back(row.alert);
      message.body = SlackBody(alerts, page);
      break;
    }
    case Notifier::Type::kPagerduty:
      message.body = PagerdutyBody(first.alert, notifier.rule.name, notifier.routing_key, page);
      break;
    case Notifier::Type::kCommand:
      CHECK(false);
  }
  return message;
}

}  // namespace

AlertSender::AlertSender(Options options, Mailbox& mailbox)
    : options_(std::move(options)), mailbox_(mailbox), watchdog_(options_.monotonic) {}

AlertSender::~AlertSender() {
  BeginStop();
  Stop();
}

Status AlertSender::Start() {
  NM_ASSIGN_OR_RETURN(queries_, Queries::Open(options_.database, options_.monotonic));
  NM_RETURN_IF_ERROR(LoadChannels());
  const std::lock_guard lock(mutex_);
  woken_ = true;
  threads_.emplace_back([this] { Dispatch(); });
  return Ok();
}

// A notifier that was turned off stays so until it took something since.
Status AlertSender::LoadChannels() {
  for (const Notifier& notifier : options_.config.notifiers) {
    const std::string& name = notifier.rule.name;
    NM_ASSIGN_OR_RETURN(const auto off, queries_->LastAlert(DisabledKey(name)));
    NM_ASSIGN_OR_RETURN(const NotifierRecord record, queries_->RecordOf(name));
    const std::lock_guard lock(mutex_);
    Channel& channel = channels_[name];
    const bool since = off && record.delivered_at && *record.delivered_at > off->at;
    if (off && !since) channel.disabled_reason = kGone;
  }
  return Ok();
}

void AlertSender::Wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_all();
}

void AlertSender::BeginStop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  watchdog_.AbortAll();
}

void AlertSender::Stop() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    CHECK(stopping_ || threads_.empty());
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

// Deliveries for notifiers that the configuration no longer has.
Status AlertSender::BuryUnknown() {
  NM_ASSIGN_OR_RETURN(const std::vector<OutboxLine> outbox, queries_->Outbox());
  std::vector<StoreRow> rows;
  for (const OutboxLine& line : outbox) {
    if (options_.config.Find(line.notifier) != nullptr) continue;
    NM_ASSIGN_OR_RETURN(const std::vector<DeliveryView> due,
                        queries_->DueDeliveries(line.notifier, Instant::max(), 1'000));
    for (const DeliveryView& view : due) {
      DeliveryRow row = view.delivery;
      row.state = DeliveryState::kDead;
      row.ended_at = options_.now();
      row.last_error = "the configuration has no notifier of this name";
      rows.emplace_back(std::move(row));
    }
  }
  if (!rows.empty()) WriteRows(rows);
  return Ok();
}

void AlertSender::Dispatch() {
  BlockSignals();
  const Status buried = BuryUnknown();
  if (!buried.ok()) spdlog::error("alerts: {}", buried.error().message);
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    woken_ = false;
    lock.unlock();
    const std::optional<Instant> next = Round();
    const Instant now = options_.now();
    lock.lock();
    const auto ready = [this] { return woken_ || stopping_; };
    if (!next) {
      changed_.wait(lock, ready);
    } else {
      changed_.wait_for(lock, std::clamp<Instant::duration>(*next - now, Duration{0}, kLongestNap),
                        ready);
    }
  }
}

// One look at the outbox of every notifier, each time beginning with another one; the next instant
// at which time alone would change something.
std::optional<Instant> AlertSender::Round() {
  const std::vector<Notifier>& all = options_.config.notifiers;
  std::optional<Instant> next;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::optional<Instant> at = Serve(all[(first_ + i) % all.size()]);
    if (at && (!next || *at < *next)) next = at;
  }
  if (!all.empty()) first_ = (first_ + 1) % all.size();
  return next;
}

std::optional<Instant> AlertSender::Serve(const Notifier& notifier) {
  Channel channel;
  int places = 0;
  {
    // Before the rows are read: what lands in between is seen again, not sent again.
    const std::lock_guard lock(mutex_);
    channel = channels_[notifier.rule.name];
    places = kMaxInFlight - in_flight_;
  }
  const Instant now = options_.now();
  const Result<std::vector<DeliveryView>> rows =
      queries_->DueDeliveries(notifier.rule.name, Instant::max(), RowsWanted(notifier, channel));
  Status failed = rows.ok() ? Ok() : Status(rows.error());
  const Earlier earlier = [&](const AlertRow& alert) {
    Result<std::vector<DeliveryView>> found =
        queries_->EarlierDeliveries(notifier.rule.name, alert);
    if (found.ok()) return *std::move(found);
    failed = found.error();
    return std::vector<DeliveryView>{};
  };
  Plan plan;
  if (rows.ok()) {
    plan = PlanFor(notifier, channel, options_.config, *rows, earlier, places, now);
  }
  if (!failed.ok()) {
    spdlog::error("alerts: {}", failed.error().message);
    return now + kTryAgain;
  }
  if (!plan.settled.empty()) {
    WriteRows({plan.settled.begin(), plan.settled.end()});
    plan.look_again = now;
  }
  for (std::vector<DeliveryView>& job : plan.jobs) Begin(notifier, std::move(job));
  return plan.look_again;
}

void AlertSender::Begin(const Notifier& notifier, std::vector<DeliveryView> rows) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    Channel& channel = channels_[notifier.rule.name];
    for (const DeliveryView& row : rows) channel.flying.insert(row.alert.alert);
    channel.jobs += 1;
    in_flight_ += 1;
    if (notifier.type == Notifier::Type::kSlack) {
      channel.quiet_until = std::max(channel.quiet_until, options_.now() + kSlackPace);
    }
    jobs_.push_back({&notifier, std::move(rows)});
    const bool wanted = idle_workers_ < static_cast<int>(jobs_.size());
    if (wanted && workers_ < kMaxInFlight) {
      workers_ += 1;
      threads_.emplace_back([this] { WorkLoop(); });
    }
  }
  changed_.notify_all();
}

void AlertSender::WorkLoop() {
  BlockSignals();
  std::unique_lock lock(mutex_);
  while (true) {
    idle_workers_ += 1;
    changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    idle_workers_ -= 1;
    if (stopping_) return;
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    Do(job);
    lock.lock();
  }
}

void AlertSender::Do(const Job& job) {
  const TryResult result = Try(job);
  Finish(job, result);
  {
    const std::lock_guard lock(mutex_);
    Channel& channel = channels_[job.notifier->rule.name];
    for (const DeliveryView& row : job.rows) channel.flying.erase(row.alert.alert);
    channel.jobs -= 1;
    in_flight_ -= 1;
    woken_ = true;
  }
  changed_.notify_all();
}

TryResult AlertSender::Try(const Job& job) {
  return job.notifier->type == Notifier::Type::kCommand ? TryCommand(job) : TryHttp(job);
}

TryResult AlertSender::TryHttp(const Job& job) {
  const Notifier& notifier = *job.notifier;
  Watchdog::Flight flight(watchdog_, kPostBudget);
  const Result<IpAddress> address =
      Locate(notifier.target, options_.config.allow, job.rows.front().delivery.tries, flight);
  if (!address.ok()) return NoAnswer(address.error().message);
  const HttpAnswer answer =
      Post(notifier.target, *address, MessageFor(notifier, job.rows, options_.now(), options_.page),
           notifier.ca_file, flight);
  if (answer.status == 0) return NoAnswer(answer.error);
  return JudgeAnswer(notifier.type, answer.status, answer.retry_after, options_.now());
}

TryResult AlertSender::TryCommand(const Job& job) {
  const Notifier& notifier = *job.notifier;
  Watchdog::Flight flight(watchdog_, notifier.timeout);
  CommandRun run{notifier.argv, options_.env, ""};
  run.input = CommandInput(job.rows.front().alert, notifier.rule.name, options_.page);
  const CommandEnd end = RunCommand(run, flight);
  TryResult result = NoAnswer(end.error);
  result.status = end.code;
  result.delivered = end.exited && end.code == 0;
  return result;
}

// What a stop cut off is not written: the row stays as it is and is tried after the next start.
void AlertSender::Finish(const Job& job, const TryResult& result) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ && !result.delivered && result.status == 0) return;
  }
  const Notifier& notifier = *job.notifier;
  const Instant now = options_.now();
  std::vector<StoreRow> rows;
  for (const DeliveryView& view : job.rows) {
    DeliveryRow row = AfterTry(view.delivery, view.alert.at, notifier.type, result, now);
    // Those of one message stay together.
    if (!rows.empty()) row.next_at = std::get<DeliveryRow>(rows.front()).next_at;
    rows.emplace_back(std::move(row));
  }
  if (!result.delivered) {
    spdlog::warn("alerts: {}: {} (try {})", notifier.rule.name, result.error,
                 job.rows.front().delivery.tries + 1);
  }
  Learn(notifier, result);
  if (result.gone) return Disable(notifier, std::move(rows));
  WriteRows(rows);
}

void AlertSender::Learn(const Notifier& notifier, const TryResult& result) {
  const std::lock_guard lock(mutex_);
  Channel& channel = channels_[notifier.rule.name];
  channel.failing = !result.delivered && (result.status == 0 || result.slow);
  channel.slow_answers = result.slow ? channel.slow_answers + 1 : 0;
  if (result.slow) {
    channel.quiet_until = options_.now() + PauseAfter(channel.slow_answers, result.retry_after);
  }
  if (result.delivered) channel.disabled_reason.clear();
  if (result.gone) channel.disabled_reason = kGone;
}

// The end of a notifier is an alert for the others, in the commit of the row that says why.
void AlertSender::Disable(const Notifier& notifier, std::vector<StoreRow> rows) {
  const std::string& name = notifier.rule.name;
  event::PostAlert post;
  post.alert.type = AlertType::kNotifierDisabled;
  post.alert.severity = Severity::kError;
  post.alert.dedup_key = DisabledKey(name);
  const nlohmann::json data = {
      {"notifier", name},
      {"message", fmt::format("{}; nightmill alert test {} turns it on again", kGone, name)}};
  post.alert.data = data.dump();
  for (const Notifier& other : options_.config.notifiers) {
    const bool wants = Covers(other.rule.events, post.alert.type) &&
                       other.rule.min_severity <= post.alert.severity;
    if (wants && other.rule.name != name) post.notifiers.push_back(other.rule.name);
  }
  spdlog::error("alerts: {} is off: {}", name, kGone);
  Request request;
  request.event = std::move(post);
  request.rows = [rows](const Result<command::ReplyBody>&) { return rows; };
  const auto raised = mailbox_.Call(std::move(request), kWriteTimeout);
  if (!raised.ok()) WriteRows(rows);
}

// Until it is durable or the daemon leaves: a try that is not known to have been made would be made
// at once again.
bool AlertSender::WriteRows(const std::vector<StoreRow>& rows) {
  while (true) {
    const Status written = mailbox_.Write(rows, kWriteTimeout);
    if (written.ok()) return true;
    std::unique_lock lock(mutex_);
    if (!Pause(lock, kTryAgain)) return false;
    spdlog::error("alerts: {}", written.error().message);
  }
}

// False if the sender stops.
bool AlertSender::Pause(std::unique_lock<std::mutex>& lock, Duration time) {
  return !changed_.wait_for(lock, time, [this] { return stopping_; });
}

std::vector<NotifierView> AlertSender::Notifiers() const {
  std::vector<NotifierView> views;
  for (const Notifier& notifier : options_.config.notifiers) {
    NotifierView& view = views.emplace_back();
    view.rule = notifier.rule;
    view.type = ToString(notifier.type);
    view.target =
        notifier.type == Notifier::Type::kCommand ? notifier.argv[0] : notifier.target.at.host;
    if (notifier.group_window > Duration{0}) view.group_window = notifier.group_window;
    const std::lock_guard lock(mutex_);
    const auto channel = channels_.find(notifier.rule.name);
    if (channel != channels_.end()) view.disabled_reason = channel->second.disabled_reason;
  }
  return views;
}

std::string AlertSender::MessageOf(const AlertRow& alert, std::string_view name) const {
  const Notifier* notifier = options_.config.Find(name);
  if (notifier == nullptr) return {};
  switch (notifier->type) {
    case Notifier::Type::kWebhook:
      return WebhookBody(alert, options_.page);
    case Notifier::Type::kSlack:
      return SlackBody(std::span(&alert, 1), options_.page);
    case Notifier::Type::kPagerduty:
      return PagerdutyBody(alert, name, "***", options_.page);
    case Notifier::Type::kCommand:
      return CommandInput(alert, name, options_.page);
  }
  return {};
}

}  // namespace nightmill
