#include "scheduler/daemon/alerts/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <optional>

#include "core/base/json.h"
#include "core/base/limits.h"
#include "core/dagfile/dag_json.h"
#include "core/dagfile/json_text.h"
#include "core/dagfile/suggest.h"
#include "scheduler/daemon/alerts/signature.h"

namespace nightmill {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxNotifiers = 100;
constexpr std::size_t kMaxSilences = 1'000;
constexpr std::size_t kMaxSecret = 4'096;
constexpr std::size_t kMinSecret = 6;  // a shorter one cannot be masked
constexpr Duration kMaxWindow{3'600'000};
constexpr Duration kMaxCommandTimeout{300'000};
constexpr std::string_view kPagerdutyUrl = "https://events.pagerduty.com/v2/enqueue";
constexpr std::array<std::string_view, 4> kTypes{"webhook", "slack", "pagerduty", "command"};

// As ids of DAGs.
bool IsName(std::string_view name) {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
  return !name.empty() && name.size() <= limits::kMaxIdLength && name[0] != '.' && name[0] != '-' &&
         name.find_first_not_of(kLetters) == std::string_view::npos &&
         name.find("..") == std::string_view::npos;
}

bool Glob(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::optional<std::pair<std::size_t, std::size_t>> star;  // where to go on with one more char
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = {++p, t};
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star) {
      p = star->first;
      t = ++star->second;
    } else {
      return false;
    }
  }
  return std::all_of(pattern.begin() + static_cast<std::ptrdiff_t>(p), pattern.end(),
                     [](char c) { return c == '*'; });
}

bool GlobOrAll(const std::string& pattern, std::string_view text) {
  return pattern.empty() || Glob(pattern, text);
}

std::string Below(std::string pointer, std::string_view token) {
  dagfile::AppendToken(pointer, token);
  return pointer;
}

// Collects faults instead of stopping at the first.
class Reader {
 public:
  Reader(const std::map<std::string, std::string>& env) : env_(env) {}

  const std::vector<std::string>& faults() const { return faults_; }

  void Fault(const std::string& pointer, std::string_view message, std::string_view hint = {}) {
    faults_.push_back(fmt::format("{}: {}{}{}", pointer, message, hint.empty() ? "" : "; ", hint));
  }
  void Fault(const std::string& pointer, const Error& error) {
    Fault(pointer, error.message, error.hint);
  }

  bool IsObject(const json& value, const std::string& pointer) {
    if (value.is_object()) return true;
    Fault(pointer, "must be an object");
    return false;
  }
  // Complains about members that are not `known`.
  void OnlyKnown(const json& object, const std::string& pointer,
                 const std::vector<std::string_view>& known) {
    for (const auto& [name, value] : object.items()) {
      if (name.starts_with("x-") || std::find(known.begin(), known.end(), name) != known.end()) {
        continue;
      }
      const std::string near = dagfile::DidYouMean(name, known);
      Fault(Below(pointer, name), "is no member here",
            near.empty() ? fmt::format("known are {}", fmt::join(known, ", ")) : near);
    }
  }
  std::string ReadText(const json& object, const std::string& pointer, const std::string& name) {
    const auto it = object.find(name);
    if (it == object.end()) return {};
    if (it->is_string() && !it->get_ref<const std::string&>().empty()) {
      return it->get<std::string>();
    }
    Fault(Below(pointer, name), "must be a text that is not empty");
    return {};
  }
  Duration ReadDuration(const json& object, const std::string& pointer, const std::string& name,
                        Duration usual, Duration most) {
    const auto it = object.find(name);
    if (it == object.end()) return usual;
    const Result<Duration> parsed =
        it->is_string()   ? ParseDuration(it->get_ref<const std::string&>())
        : it->is_number() ? ParseDuration(it->dump())
                          : Invalid("must be a duration such as \"30s\"");
    if (!parsed.ok()) {
      Fault(Below(pointer, name), parsed.error());
    } else if (*parsed > most) {
      Fault(Below(pointer, name), fmt::format("is more than {}, the most", FormatDuration(most)));
    } else {
      return *parsed;
    }
    return usual;
  }
  std::vector<std::string> ReadTexts(const json& object, const std::string& pointer,
                                     const std::string& name) {
    std::vector<std::string> texts;
    const auto it = object.find(name);
    if (it == object.end()) return texts;
    const bool fits = it->is_array() && std::all_of(it->begin(), it->end(), [](const json& item) {
                        return item.is_string() && !item.get_ref<const std::string&>().empty();
                      });
    if (!fits) {
      Fault(Below(pointer, name), "must be a list of texts");
      return texts;
    }
    for (const json& item : *it) texts.push_back(item.get<std::string>());
    return texts;
  }

  // The secret that "file:PATH" or "env:NAME" names; "" after a fault.
  std::string ReadSecret(const json& value, const std::string& pointer) {
    const std::string ref = value.is_string() ? value.get<std::string>() : "";
    std::string secret;
    if (ref.starts_with("env:")) {
      const auto it = env_.find(ref.substr(4));
      if (it == env_.end()) return Missing(pointer, fmt::format("{} is not set", ref.substr(4)));
      secret = it->second;
    } else if (ref.starts_with("file:")) {
      std::ifstream file(ref.substr(5), std::ios::binary);
      if (!file) return Missing(pointer, fmt::format("{} cannot be read", ref.substr(5)));
      secret.assign(std::istreambuf_iterator<char>(file), {});
    } else {
      return Missing(pointer, "a secret is named by \"file:PATH\" or \"env:NAME\"");
    }
    while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) secret.pop_back();
    if (secret.size() < kMinSecret || secret.size() > kMaxSecret) {
      return Missing(pointer, fmt::format("the secret has less than {} or more than {} characters",
                                          kMinSecret, kMaxSecret));
    }
    return secret;
  }
  // A plain text, or {"secret": "file:.."}.
  std::string ReadUrlText(const json& value, const std::string& pointer) {
    if (value.is_string()) return value.get<std::string>();
    if (!value.is_object() || !value.contains("secret")) {
      return Missing(pointer, "must be a URL or {\"secret\": \"env:NAME\"}");
    }
    OnlyKnown(value, pointer, {"secret"});
    return ReadSecret(value.at("secret"), Below(pointer, "secret"));
  }

 private:
  std::string Missing(const std::string& pointer, std::string_view message) {
    Fault(pointer, message);
    return {};
  }

  const std::map<std::string, std::string>& env_;
  std::vector<std::string> faults_;
};

// Members of every notifier, then those of its type.
constexpr std::string_view kCommon[] = {"type", "events", "min_severity"};
std::vector<std::string_view> MembersOf(Notifier::Type type) {
  std::vector<std::string_view> known(std::begin(kCommon), std::end(kCommon));
  switch (type) {
    case Notifier::Type::kWebhook:
      known.insert(known.end(), {"url", "secret", "ca_file"});
      break;
    case Notifier::Type::kSlack:
      known.insert(known.end(), {"url", "group_window", "ca_file"});
      break;
    case Notifier::Type::kPagerduty:
      known.insert(known.end(), {"url", "routing_key", "ca_file"});
      break;
    case Notifier::Type::kCommand:
      known.insert(known.end(), {"argv", "timeout"});
      break;
  }
  return known;
}

bool CoversSomething(const std::string& pattern) {
  for (int i = 0; i < kAlertTypeCount; ++i) {
    if (Covers({pattern}, static_cast<AlertType>(i))) return true;
  }
  return false;
}

void ReadRule(Reader& reader, const json& object, const std::string& pointer, NotifierRule& rule) {
  rule.events = reader.ReadTexts(object, pointer, "events");
  for (const std::string& pattern : rule.events) {
    if (CoversSomething(pattern)) continue;
    reader.Fault(Below(pointer, "events"), fmt::format("\"{}\" covers no event", pattern),
                 "an event such as run.failed, a group such as sla.*, or *");
  }
  const std::string word = reader.ReadText(object, pointer, "min_severity");
  const std::optional<Severity> severity = ParseSeverity(word);
  if (severity) rule.min_severity = *severity;
  if (!severity && !word.empty()) {
    reader.Fault(Below(pointer, "min_severity"), "is info, warning, error or critical");
  }
}

void ReadUrl(Reader& reader, const json& object, const std::string& pointer,
             const AlertConfig& config, Notifier& notifier) {
  const auto it = object.find("url");
  std::string url;
  if (it != object.end()) {
    url = reader.ReadUrlText(*it, Below(pointer, "url"));
    if (url.empty()) return;
  } else if (notifier.type == Notifier::Type::kPagerduty) {
    url = kPagerdutyUrl;
  } else {
    return reader.Fault(pointer, "needs a url");
  }
  const Result<Target> target = ParseTarget(url);
  if (!target.ok() && it != object.end() && it->is_object()) {
    return reader.Fault(Below(pointer, "url"), "the secret holds no URL such as https://HOST/PATH");
  }
  if (!target.ok()) return reader.Fault(Below(pointer, "url"), target.error());
  const Status allowed = CheckTarget(*target, config.allow);
  if (!allowed.ok()) return reader.Fault(Below(pointer, "url"), allowed.error());
  notifier.target = *target;
  notifier.ca_file = reader.ReadText(object, pointer, "ca_file");
}

void ReadKeys(Reader& reader, const json& object, const std::string& pointer, Notifier& notifier) {
  const auto it = object.find("secret");
  if (it == object.end()) return reader.Fault(pointer, "needs a secret");
  const json refs = it->is_array() ? *it : json::array({*it});
  const std::string at = Below(pointer, "secret");
  if (refs.empty() || refs.size() > 2) return reader.Fault(at, "is one, or two while rotating");
  for (const json& ref : refs) {
    const std::string text = reader.ReadSecret(ref, at);
    if (text.empty()) continue;
    Result<std::string> key = DecodeSecret(text);
    if (!key.ok()) {
      reader.Fault(at, key.error());
    } else {
      notifier.keys.push_back(*std::move(key));
    }
  }
}

void ReadRoutingKey(Reader& reader, const json& object, const std::string& pointer,
                    Notifier& notifier) {
  const auto it = object.find("routing_key");
  const std::string at = Below(pointer, "routing_key");
  if (it == object.end()) return reader.Fault(pointer, "needs a routing_key");
  if (!it->is_object() || !it->contains("secret")) {
    return reader.Fault(at, "must be {\"secret\": \"env:NAME\"}");
  }
  reader.OnlyKnown(*it, at, {"secret"});
  notifier.routing_key = reader.ReadSecret(it->at("secret"), Below(at, "secret"));
}

void ReadCommand(Reader& reader, const json& object, const std::string& pointer,
                 Notifier& notifier) {
  notifier.argv = reader.ReadTexts(object, pointer, "argv");
  if (!object.contains("argv")) {
    reader.Fault(pointer, "needs argv");
  } else if (!notifier.argv.empty() && !notifier.argv[0].starts_with('/')) {
    reader.Fault(Below(pointer, "argv"), "begins with an absolute path");
  }
  notifier.timeout =
      reader.ReadDuration(object, pointer, "timeout", notifier.timeout, kMaxCommandTimeout);
}

void ReadNotifier(Reader& reader, const std::string& name, const json& object,
                  AlertConfig& config) {
  const std::string pointer = Below("/notifiers", name);
  if (!reader.IsObject(object, pointer)) return;
  const std::string word = reader.ReadText(object, pointer, "type");
  const auto at = std::find(kTypes.begin(), kTypes.end(), word);
  if (at == kTypes.end()) {
    return reader.Fault(Below(pointer, "type"), "is webhook, slack, pagerduty or command");
  }
  Notifier notifier;
  notifier.rule.name = name;
  notifier.type = static_cast<Notifier::Type>(at - kTypes.begin());
  reader.OnlyKnown(object, pointer, MembersOf(notifier.type));
  ReadRule(reader, object, pointer, notifier.rule);
  switch (notifier.type) {
    case Notifier::Type::kWebhook:
      ReadUrl(reader, object, pointer, config, notifier);
      ReadKeys(reader, object, pointer, notifier);
      break;
    case Notifier::Type::kSlack:
      ReadUrl(reader, object, pointer, config, notifier);
      notifier.group_window =
          reader.ReadDuration(object, pointer, "group_window", Duration{0}, kMaxWindow);
      break;
    case Notifier::Type::kPagerduty:
      ReadUrl(reader, object, pointer, config, notifier);
      ReadRoutingKey(reader, object, pointer, notifier);
      break;
    case Notifier::Type::kCommand:
      ReadCommand(reader, object, pointer, notifier);
      break;
  }
  config.notifiers.push_back(std::move(notifier));
}

void ReadOutgoing(Reader& reader, const json& object, AlertConfig& config) {
  const std::string pointer = "/outgoing";
  if (!reader.IsObject(object, pointer)) return;
  reader.OnlyKnown(object, pointer, {"allow"});
  for (const std::string& text : reader.ReadTexts(object, pointer, "allow")) {
    const Result<HostPort> at = ParseHostPort(text);
    if (at.ok()) {
      config.allow.push_back(*at);
    } else {
      reader.Fault("/outgoing/allow", at.error());
    }
  }
}

void ReadSilence(Reader& reader, const json& object, const std::string& pointer,
                 AlertConfig& config) {
  if (!reader.IsObject(object, pointer)) return;
  reader.OnlyKnown(object, pointer, {"match", "until", "reason"});
  Silence silence;
  silence.reason = reader.ReadText(object, pointer, "reason");
  const Result<Instant> until = ParseInstant(reader.ReadText(object, pointer, "until"));
  if (until.ok()) {
    silence.until = *until;
  } else {
    reader.Fault(Below(pointer, "until"), "must say when it ends, such as 2026-01-10T00:00:00Z");
  }
  const auto match = object.find("match");
  const std::string at = Below(pointer, "match");
  if (match == object.end() || !match->is_object() || match->empty()) {
    return reader.Fault(at, "must be an object that is not empty");
  }
  reader.OnlyKnown(*match, at, {"dag_id", "task_id", "event", "notifier"});
  silence.dag_id = reader.ReadText(*match, at, "dag_id");
  silence.task_id = reader.ReadText(*match, at, "task_id");
  silence.event = reader.ReadText(*match, at, "event");
  silence.notifier = reader.ReadText(*match, at, "notifier");
  config.silences.push_back(std::move(silence));
}

void ReadSilences(Reader& reader, const json& list, AlertConfig& config) {
  if (!list.is_array() || list.size() > kMaxSilences) {
    return reader.Fault("/silences", fmt::format("must be a list of at most {}", kMaxSilences));
  }
  for (std::size_t i = 0; i < list.size(); ++i) {
    ReadSilence(reader, list[i], fmt::format("/silences/{}", i), config);
  }
}

void ReadNotifiers(Reader& reader, const json& object, AlertConfig& config) {
  if (!reader.IsObject(object, "/notifiers")) return;
  if (object.size() > kMaxNotifiers) {
    return reader.Fault("/notifiers", fmt::format("holds more than {}, the most", kMaxNotifiers));
  }
  for (const auto& [name, notifier] : object.items()) {
    if (!IsName(name)) {
      reader.Fault(Below("/notifiers", name), "is no name: letters, digits, _ . -");
    } else {
      ReadNotifier(reader, name, notifier, config);
    }
  }
}

}  // namespace

std::string_view ToString(Notifier::Type type) { return kTypes[static_cast<std::size_t>(type)]; }

bool Silence::Covers(const AlertRow& alert, std::string_view notifier_name, Instant now) const {
  return now < until && GlobOrAll(dag_id, alert.dag_id) && GlobOrAll(task_id, alert.task_id) &&
         GlobOrAll(event, ToString(alert.type)) && GlobOrAll(notifier, notifier_name);
}

const Notifier* AlertConfig::Find(std::string_view name) const {
  const auto it = std::find_if(notifiers.begin(), notifiers.end(),
                               [name](const Notifier& n) { return n.rule.name == name; });
  return it == notifiers.end() ? nullptr : &*it;
}

std::vector<NotifierRule> RulesOf(const AlertConfig& config) {
  std::vector<NotifierRule> rules;
  for (const Notifier& notifier : config.notifiers) rules.push_back(notifier.rule);
  return rules;
}

Result<AlertConfig> ParseAlertConfig(const std::string& json_text,
                                     const std::map<std::string, std::string>& env) {
  NM_ASSIGN_OR_RETURN(const std::string canonical, ParseStrictJson(json_text, true));
  const json file = json::parse(canonical);
  AlertConfig config;
  if (!file.is_object()) return Invalid("a configuration is a JSON object");
  Reader reader(env);
  // What may be called first: URLs are judged by it.
  if (const auto it = file.find("outgoing"); it != file.end()) ReadOutgoing(reader, *it, config);
  if (const auto it = file.find("notifiers"); it != file.end()) ReadNotifiers(reader, *it, config);
  if (const auto it = file.find("silences"); it != file.end()) ReadSilences(reader, *it, config);
  if (reader.faults().empty()) return config;
  return Invalid(fmt::format("{}", fmt::join(reader.faults(), "\n")));
}

}  // namespace nightmill
