#include "cli/commands/demo_alerts.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "cli/commands/alert_listen.h"
#include "cli/commands/follow.h"
#include "cli/commands/spawn.h"
#include "core/base/json.h"

namespace nightmill {
namespace {

using nlohmann::json;

constexpr std::int64_t kPatienceMs = 20'000;
constexpr std::string_view kListening = "listening   http://";

// The port that the server of an earlier demo knows; "0" if there is none.
std::string PortOf(const std::string& config) {
  const Result<std::string> text = ReadFile(config);
  const json file = text.ok() ? json::parse(*text, nullptr, false) : json();
  const json::json_pointer place("/outgoing/allow/0");
  if (!file.is_object() || !file.contains(place)) return "0";
  const std::string address = file.at(place).get<std::string>();
  return address.substr(address.rfind(':') + 1);
}

// What `alert listen` has shown so far.
std::vector<DemoAlerts::Event> Shown(const std::string& log) {
  std::vector<DemoAlerts::Event> shown;
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    const json message = json::parse(line, nullptr, false);
    if (!message.is_object()) continue;
    const json& body = message.at("body");
    shown.push_back({Text(body, "type"), Text(body.at("data"), "dag_run_id")});
  }
  return shown;
}

}  // namespace

DemoAlerts::~DemoAlerts() {
  if (receiver_ == 0) return;
  kill(receiver_, SIGTERM);
  waitpid(receiver_, nullptr, 0);
}

Status DemoAlerts::Start(bool server_runs) {
  config_ = cli_.state_dir + "/demo.json";
  key_ = cli_.state_dir + "/demo.key";
  log_ = cli_.state_dir + "/alerts.log";
  if (!std::filesystem::exists(key_)) {
    NM_ASSIGN_OR_RETURN(const std::string secret, NewSecret());
    NM_RETURN_IF_ERROR(WriteFile(key_, secret + "\n", 0600));
  }
  NM_RETURN_IF_ERROR(WriteFile(log_, "", 0600));
  receiver_ = Spawn({cli_.self, "alert", "listen", "--port", server_runs ? PortOf(config_) : "0",
                     "--secret", key_, "--output", "json"},
                    log_, false);
  if (receiver_ == 0) return Internal(fmt::format("cannot start {}", cli_.self));
  NM_ASSIGN_OR_RETURN(address_, ListeningAt());
  return server_runs ? Ok() : WriteConfig();
}

Result<std::string> DemoAlerts::ListeningAt() const {
  const std::int64_t until = SteadyMs() + kPatienceMs;
  Pause pause;
  while (SteadyMs() < until && waitpid(receiver_, nullptr, WNOHANG) == 0) {
    NM_ASSIGN_OR_RETURN(const std::string text, ReadFile(log_));
    const std::size_t at = text.find(kListening);
    const std::size_t begin = at + kListening.size();
    const std::size_t end = at == std::string::npos ? at : text.find('/', begin);
    if (end != std::string::npos) return text.substr(begin, end - begin);
    pause.Wait();
  }
  return Unavailable("the demo's receiver of alerts did not start", fmt::format("read {}", log_));
}

Status DemoAlerts::WriteConfig() const {
  const json hook = {{"type", "webhook"},
                     {"url", fmt::format("http://{}/", address_)},
                     {"secret", "file:" + key_}};
  const json config = {{"notifiers", {{"hook", hook}}},
                       {"outgoing", {{"allow", json::array({address_})}}}};
  return WriteFile(config_, config.dump(2) + "\n", 0600);
}

Status DemoAlerts::Await(const std::vector<Event>& events) const {
  const std::int64_t until = SteadyMs() + kPatienceMs;
  Pause pause;
  while (SteadyMs() < until && !InterruptGuard::Interrupted()) {
    NM_ASSIGN_OR_RETURN(const std::string text, ReadFile(log_));
    const std::vector<Event> shown = Shown(text);
    const bool all = std::all_of(events.begin(), events.end(), [&](const Event& event) {
      return std::find(shown.begin(), shown.end(), event) != shown.end();
    });
    if (all) return Ok();
    pause.Wait();
  }
  return Unavailable("the alerts of flaky_export did not arrive",
                     fmt::format("read {}; a server of your own does not know the demo's notifier",
                                 log_));
}

}  // namespace nightmill
