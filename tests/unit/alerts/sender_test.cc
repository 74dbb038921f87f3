// The sender against a real store and a real receiver on this machine: what is tried again and
// when, what ends it, and that a restart loses nothing. Wall time is the test's own, so that hours
// pass at once; who waits here waits for a commit or a message.
#include "scheduler/daemon/alerts/sender.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <atomic>
#include <set>

#include "core/base/json.h"
#include "scheduler/daemon/alerts/signature.h"
#include "scheduler/daemon/clock.h"
#include "store/store.h"
#include "tests/unit/store/support.h"

namespace nightmill {
namespace {

using nlohmann::json;

constexpr const char* kSecret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
constexpr auto kPatience = std::chrono::seconds(60);

// What the threads of a test tell each other of.
struct Bell {
  std::mutex mutex;
  std::condition_variable rung;

  void Ring() {
    { const std::lock_guard lock(mutex); }
    rung.notify_all();
  }
  // False if it did not come true in time. `true_now` is asked without the lock.
  bool Await(const std::function<bool()>& true_now) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    std::unique_lock lock(mutex);
    while (true) {
      lock.unlock();
      if (true_now()) return true;
      lock.lock();
      // A ring between the look and the wait is made up for by the next look.
      rung.wait_for(lock, std::chrono::milliseconds(50));
      if (std::chrono::steady_clock::now() > until) return false;
    }
  }
};

struct Message {
  std::string path;
  std::string id;
  std::string signature;
  std::string timestamp;
  std::string body;
};

// Answers what `answer` says; a message counts from its arrival.
class Receiver {
 public:
  explicit Receiver(Bell& bell) : bell_(bell) {
    server_.Post("/.*", [this](const httplib::Request& request, httplib::Response& response) {
      const Message message{request.path, request.get_header_value("webhook-id"),
                            request.get_header_value("webhook-signature"),
                            request.get_header_value("webhook-timestamp"), request.body};
      {
        const std::lock_guard lock(mutex_);
        messages_.push_back(message);
      }
      bell_.Ring();
      response.status = answer_(message);
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~Receiver() {
    server_.stop();
    thread_.join();
  }

  // Before the first message.
  void Answer(std::function<int(const Message&)> answer) { answer_ = std::move(answer); }
  int port() const { return port_; }
  std::vector<Message> messages() const {
    const std::lock_guard lock(mutex_);
    return messages_;
  }

 private:
  Bell& bell_;
  httplib::Server server_;
  std::function<int(const Message&)> answer_ = [](const Message&) { return 204; };
  mutable std::mutex mutex_;
  std::vector<Message> messages_;
  int port_ = 0;
  std::thread thread_;
};

// Commits what the scheduler thread would; can be told to refuse.
class StoreMailbox : public Mailbox {
 public:
  StoreMailbox(Store& store, Bell& bell) : store_(store), bell_(bell) {}

  Result<command::ReplyBody> Call(Request request, Duration) override {
    const auto& post = std::get<event::PostAlert>(request.event);
    const std::lock_guard lock(mutex_);
    AlertReply raised = Raise(post.alert, post.notifiers);
    command::ReplyBody body{raised};
    std::vector<Change> changes{raised.alert};
    for (const DeliveryRow& row : raised.deliveries) changes.emplace_back(row);
    NM_RETURN_IF_ERROR(store_.Commit(changes, request.rows(Result<command::ReplyBody>(body))));
    bell_.Ring();
    if (on_commit) on_commit();
    return body;
  }
  Status Write(std::vector<StoreRow> rows, Duration) override {
    if (refuses) return Unavailable("the daemon is leaving");
    {
      const std::lock_guard lock(mutex_);
      NM_RETURN_IF_ERROR(store_.Commit({}, rows));
    }
    bell_.Ring();
    return Ok();
  }
  Status Look(std::function<void(const Engine&, Instant)>, Duration) override { return Ok(); }
  void OnEvents(std::function<void(EventId)>) override {}
  void Stop(bool) override {}

  AlertReply Raise(AlertRow alert, const std::vector<std::string>& notifiers) {
    alert.alert = AlertId(++last_alert_);
    alert.at = now();
    AlertReply raised;
    for (const std::string& notifier : notifiers) {
      DeliveryRow& row = raised.deliveries.emplace_back();
      row.alert = alert.alert;
      row.notifier = notifier;
      row.next_at = alert.at;
    }
    raised.alert = std::move(alert);
    return raised;
  }
  Instant now() const { return At(now_); }

  std::atomic<bool> refuses{false};
  std::function<void()> on_commit;
  std::atomic<std::int64_t> now_{1'767'571'200'000'000};

 private:
  Store& store_;
  Bell& bell_;
  std::mutex mutex_;
  std::int64_t last_alert_ = 0;
};

class SenderTest : public testing::Test {
 protected:
  // "hook": a webhook; "pager": PagerDuty; "watch": a webhook that hears of notifiers.
  void Start() {
    const std::string base = fmt::format("http://127.0.0.1:{}", receiver_.port());
    const json hook = {{"type", "webhook"}, {"url", base + "/hook"}, {"secret", {"env:KEY"}}};
    json watch = hook;
    watch["url"] = base + "/watch";
    watch["events"] = {"notifier.*"};
    const json pager = {
        {"type", "pagerduty"}, {"url", base + "/pager"}, {"routing_key", {{"secret", "env:PD"}}}};
    const json config = {
        {"notifiers", {{"hook", hook}, {"watch", watch}, {"pager", pager}}},
        {"outgoing", {{"allow", {fmt::format("127.0.0.1:{}", receiver_.port())}}}}};
    Result<AlertConfig> parsed = ParseAlertConfig(
        config.dump(), {{"KEY", kSecret}, {"PD", "0123456789abcdef0123456789abcdef"}});
    ASSERT_TRUE(parsed.ok()) << parsed.error().message;
    keys_ = parsed->Find("hook")->keys;
    AlertSender::Options options{
        *std::move(parsed), "", path_, {}, [this] { return mail_.now(); }, BootNow};
    sender_ = std::make_unique<AlertSender>(std::move(options), mail_);
    mail_.on_commit = [this] { sender_->Wake(); };
    ASSERT_OK(sender_->Start());
  }
  void StopSender() {
    sender_->BeginStop();
    sender_->Stop();
    sender_.reset();
  }
  AlertRow Alert(AlertType type = AlertType::kRunFailed) const {
    AlertRow alert;
    alert.type = type;
    alert.severity = Severity::kError;
    alert.dag_id = "d";
    alert.dedup_key = "run:d:r";
    return alert;
  }
  AlertId Post(const AlertRow& alert, const std::vector<std::string>& notifiers) {
    Request request{event::PostAlert{{}, alert, notifiers}};
    request.rows = [](const Result<command::ReplyBody>&) { return std::vector<StoreRow>{}; };
    return std::get<AlertReply>(*mail_.Call(std::move(request), Duration{1'000})).alert.alert;
  }
  // Hours pass, and whoever waits for them is told.
  void AdvanceTo(Instant at) {
    mail_.now_ = ToMicros(at);
    sender_->Wake();
  }
  DeliveryRow Row(AlertId alert, const std::string& notifier = "hook") {
    for (const DeliveryView& view : ValueOf(queries_.DeliveriesOf(alert))) {
      if (view.delivery.notifier == notifier) return view.delivery;
    }
    return {};
  }
  void AwaitTries(AlertId alert, int tries, const std::string& notifier = "hook") {
    ASSERT_TRUE(bell_.Await([&] { return Row(alert, notifier).tries == tries; }))
        << Row(alert, notifier).tries << " tries, not " << tries;
  }
  std::vector<Message> MessagesTo(const std::string& path) const {
    std::vector<Message> found;
    for (const Message& message : receiver_.messages()) {
      if (message.path == path) found.push_back(message);
    }
    return found;
  }
  std::string DisabledReason(const std::string& name) const {
    for (const NotifierView& view : sender_->Notifiers()) {
      if (view.rule.name == name) return view.disabled_reason;
    }
    return "there is no such notifier";
  }

  Bell bell_;
  // What answers look at: an answer may outlast the body of its test.
  std::atomic<int> status_{204};
  std::atomic<bool> open_{true};
  std::atomic<int> asked_{0};
  std::atomic<int> inside_{0};
  std::atomic<int> most_{0};
  TempFolder folder_;
  const std::string path_ = folder_.File("nightmill.db");
  Store store_ = OpenStore(path_);
  Queries queries_ = OpenQueries(path_);
  Receiver receiver_{bell_};
  StoreMailbox mail_{store_, bell_};
  std::vector<std::string> keys_;
  std::unique_ptr<AlertSender> sender_;
};

TEST_F(SenderTest, WhatFailsIsTriedAgainUnderTheSameId) {
  receiver_.Answer([this](const Message&) { return ++asked_ == 1 ? 500 : 204; });
  Start();
  const Instant begun = mail_.now();
  const AlertId alert = Post(Alert(), {"hook"});
  AwaitTries(alert, 1);
  const DeliveryRow failed = Row(alert);
  EXPECT_EQ(failed.state, DeliveryState::kPending);
  EXPECT_EQ(failed.last_status, 500);
  EXPECT_GE(failed.next_at, begun + std::chrono::milliseconds(4'500));
  EXPECT_LE(failed.next_at, begun + std::chrono::milliseconds(5'500));
  AdvanceTo(failed.next_at - std::chrono::milliseconds(1));  // too early
  AdvanceTo(failed.next_at);
  AwaitTries(alert, 2);
  EXPECT_EQ(Row(alert).state, DeliveryState::kDelivered);
  EXPECT_EQ(Row(alert).ended_at, failed.next_at);
  const std::vector<Message> sent = receiver_.messages();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].id, sent[1].id);
  EXPECT_NE(sent[0].timestamp, sent[1].timestamp);
  for (const Message& one : sent) {
    EXPECT_EQ(one.signature, SignatureOf(keys_, one.id, one.timestamp, one.body));
  }
}

TEST_F(SenderTest, TheTenthTryIsTheLast) {
  receiver_.Answer([](const Message&) { return 500; });
  Start();
  const Instant begun = mail_.now();
  const AlertId alert = Post(Alert(), {"hook"});
  for (int tries = 1; tries < 10; ++tries) {
    ASSERT_NO_FATAL_FAILURE(AwaitTries(alert, tries));
    ASSERT_EQ(Row(alert).state, DeliveryState::kPending) << tries;
    AdvanceTo(Row(alert).next_at);
  }
  AwaitTries(alert, 10);
  EXPECT_EQ(Row(alert).state, DeliveryState::kDead);
  EXPECT_EQ(Row(alert).ended_at, begun + std::chrono::hours(72));
  EXPECT_EQ(receiver_.messages().size(), 10u);
  EXPECT_TRUE(ValueOf(queries_.Outbox()).empty());
  EXPECT_EQ(DisabledReason("hook"), "") << "a receiver in trouble is not turned off";
}

TEST_F(SenderTest, GoneTurnsTheNotifierOffUntilItTakesASample) {
  status_ = 410;
  receiver_.Answer([this](const Message& m) { return m.path == "/hook" ? status_.load() : 204; });
  Start();
  const AlertId first = Post(Alert(), {"hook"});
  AwaitTries(first, 1);
  EXPECT_EQ(Row(first).state, DeliveryState::kDead);
  EXPECT_NE(DisabledReason("hook"), "");
  // The others hear of it, in the commit of the row.
  ASSERT_TRUE(bell_.Await([&] { return MessagesTo("/watch").size() == 1; }));
  const json told = json::parse(MessagesTo("/watch")[0].body);
  EXPECT_EQ(told["type"], "notifier.disabled");
  EXPECT_EQ(told["data"]["notifier"], "hook");
  // What comes now is given up without a try, also after a restart.
  const AlertId second = Post(Alert(), {"hook"});
  ASSERT_TRUE(bell_.Await([&] { return Row(second).state == DeliveryState::kDead; }));
  EXPECT_EQ(Row(second).tries, 0);
  StopSender();
  Start();
  EXPECT_NE(DisabledReason("hook"), "");
  status_ = 204;
  mail_.now_ += 1'000'000;
  const AlertId sample = Post(SampleAlert("hook"), {"hook"});
  AwaitTries(sample, 1);
  EXPECT_EQ(Row(sample).state, DeliveryState::kDelivered);
  ASSERT_TRUE(bell_.Await([&] { return DisabledReason("hook").empty(); }));
  EXPECT_EQ(MessagesTo("/hook").size(), 2u);
}

TEST_F(SenderTest, AResolveComesAfterWhatItResolves) {
  status_ = 500;
  receiver_.Answer([this](const Message&) { return status_.load(); });
  Start();
  const AlertId trigger = Post(Alert(), {"pager"});
  AwaitTries(trigger, 1, "pager");
  const AlertId resolve = Post(Alert(AlertType::kRunRecovered), {"pager"});
  // It is put off until after the next try of its trigger.
  ASSERT_TRUE(
      bell_.Await([&] { return Row(resolve, "pager").next_at > Row(trigger, "pager").next_at; }));
  status_ = 202;
  AdvanceTo(Row(trigger, "pager").next_at);
  AwaitTries(trigger, 2, "pager");
  AdvanceTo(Row(resolve, "pager").next_at);
  AwaitTries(resolve, 1, "pager");
  std::vector<std::string> actions;
  for (const Message& message : receiver_.messages()) {
    actions.push_back(json::parse(message.body)["event_action"]);
  }
  EXPECT_EQ(actions, (std::vector<std::string>{"trigger", "trigger", "resolve"}));
}

TEST_F(SenderTest, ARestartLosesNothingAndKeepsTheId) {
  open_ = false;
  receiver_.Answer([this](const Message&) {
    bell_.Await([this] { return open_.load(); });
    return 204;
  });
  Start();
  const AlertId first = Post(Alert(), {"hook"});
  const AlertId second = Post(Alert(), {"hook"});
  ASSERT_TRUE(bell_.Await([&] { return receiver_.messages().size() == 2; }));
  StopSender();  // cuts both off
  EXPECT_EQ(Row(first).state, DeliveryState::kPending);
  EXPECT_EQ(Row(first).tries, 0) << "what a stop cut off is no try";
  open_ = true;
  bell_.Ring();
  Start();
  AwaitTries(first, 1);
  AwaitTries(second, 1);
  std::map<std::string, int> times;
  for (const Message& message : receiver_.messages()) times[message.id] += 1;
  ASSERT_EQ(times.size(), 2u);
  for (const auto& [id, count] : times) EXPECT_EQ(count, 2) << id;
}

TEST_F(SenderTest, WhatWasSentAndNotWrittenIsSentAgain) {
  Start();
  mail_.refuses = true;
  const AlertId alert = Post(Alert(), {"hook"});
  ASSERT_TRUE(bell_.Await([&] { return receiver_.messages().size() == 1; }));
  StopSender();
  EXPECT_EQ(Row(alert).state, DeliveryState::kPending);
  mail_.refuses = false;
  Start();
  AwaitTries(alert, 1);
  const std::vector<Message> sent = receiver_.messages();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].id, sent[1].id);
}

TEST_F(SenderTest, AtMostFourAtATimeAndAllOfThem) {
  open_ = false;
  receiver_.Answer([this](const Message&) {
    const int inside = ++inside_;
    int most = most_;
    while (most < inside && !most_.compare_exchange_weak(most, inside)) continue;
    bell_.Await([this] { return open_.load(); });
    --inside_;
    return 204;
  });
  Start();
  std::vector<AlertId> alerts;
  for (int i = 0; i < 12; ++i) alerts.push_back(Post(Alert(), {"hook"}));
  ASSERT_TRUE(bell_.Await([&] { return inside_ == 4; }));
  open_ = true;
  bell_.Ring();
  for (const AlertId alert : alerts) AwaitTries(alert, 1);
  EXPECT_EQ(most_, 4);
  EXPECT_EQ(receiver_.messages().size(), 12u);
}

TEST_F(SenderTest, OfAStrangerNothingWaits) {
  const AlertId alert = Post(Alert(), {"forgotten"});
  Start();
  ASSERT_TRUE(bell_.Await([&] { return Row(alert, "forgotten").state == DeliveryState::kDead; }));
  EXPECT_EQ(Row(alert, "forgotten").last_error, "the configuration has no notifier of this name");
}

}  // namespace
}  // namespace nightmill
