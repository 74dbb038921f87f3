#include "cli/server_config.h"

#include <fmt/format.h>

#include <charconv>
#include <functional>

#include "core/base/json.h"
#include "core/dagfile/dag_json.h"

namespace nightmill {
namespace {

using nlohmann::json;

// One member of the file: its name and how it is read; the reader says false for a wrong type.
struct Field {
  std::string_view name;
  std::string_view type;
  bool (*read)(const json& value, ServerConfig& config);
};

bool ReadInt(const json& value, int low, int& target) {
  if (!value.is_number_integer() || value.get<std::int64_t>() < low ||
      value.get<std::int64_t>() > 1'000'000) {
    return false;
  }
  target = value.get<int>();
  return true;
}

bool ReadText(const json& value, std::string& target) {
  if (!value.is_string()) return false;
  target = value.get<std::string>();
  return true;
}

bool ReadBool(const json& value, bool& target) {
  if (!value.is_boolean()) return false;
  target = value.get<bool>();
  return true;
}

bool ReadPools(const json& value, ServerConfig& config) {
  if (!value.is_object()) return false;
  for (const auto& [name, slots] : value.items()) {
    int count = 0;
    if (!ReadInt(slots, -1, count)) return false;
    config.pools.emplace_back(name, count);
  }
  return true;
}

constexpr Field kFields[] = {
    {"state_dir", "a path",
     [](const json& v, ServerConfig& c) { return ReadText(v, c.state_dir); }},
    {"data_root", "a path",
     [](const json& v, ServerConfig& c) { return ReadText(v, c.data_root); }},
    {"listen", "\"127.0.0.1:7420\"",
     [](const json& v, ServerConfig& c) {
       return v.is_string() && ParseListen(v.get<std::string>(), c).ok();
     }},
    {"allowed_hosts", "a list of names",
     [](const json& v, ServerConfig& c) {
       if (!v.is_array()) return false;
       for (const json& host : v) {
         if (!host.is_string()) return false;
         c.allowed_hosts.push_back(host.get<std::string>());
       }
       return true;
     }},
    {"durability", "\"full\" or \"process\"",
     [](const json& v, ServerConfig& c) {
       const auto parsed =
           v.is_string() ? ParseDurability(v.get<std::string>()) : std::optional<Durability>{};
       c.durability = parsed.value_or(Durability::kFull);
       return parsed.has_value();
     }},
    {"pools", "an object of name: slots", ReadPools},
    {"parallelism", "a whole number from 1",
     [](const json& v, ServerConfig& c) { return ReadInt(v, 1, c.parallelism); }},
    {"sensor_parallelism", "a whole number from 1",
     [](const json& v, ServerConfig& c) { return ReadInt(v, 1, c.sensor_parallelism); }},
    {"workers", "a whole number from 0",
     [](const json& v, ServerConfig& c) { return ReadInt(v, 0, c.workers); }},
    {"worker.slots", "a whole number from 1",
     [](const json& v, ServerConfig& c) { return ReadInt(v, 1, c.worker_slots); }},
    {"tasks.share_root", "true or false",
     [](const json& v, ServerConfig& c) { return ReadBool(v, c.share_root); }},
    {"dags.paused_upon_creation", "true or false",
     [](const json& v, ServerConfig& c) { return ReadBool(v, c.paused_upon_creation); }},
    {"log.level", "debug, info, warn or error",
     [](const json& v, ServerConfig& c) { return ReadText(v, c.log_level); }},
};

Status ReadMember(const std::string& file, const std::string& name, const json& value,
                  ServerConfig& config) {
  for (const Field& field : kFields) {
    if (field.name != name) continue;
    if (field.read(value, config)) return Ok();
    return Invalid(fmt::format("{}: {} must be {}", file, name, field.type));
  }
  std::string known;
  for (const Field& field : kFields)
    known += fmt::format("{}{}", known.empty() ? "" : ", ", field.name);
  return Invalid(fmt::format("{}: unknown member \"{}\"", file, name), "known are: " + known);
}

// Read by ParseAlertConfig, which complains about all of it at once.
bool IsAlerts(std::string_view name) {
  return name == "notifiers" || name == "outgoing" || name == "silences";
}

bool IsSection(std::string_view name) {
  return name == "worker" || name == "tasks" || name == "dags" || name == "log";
}

}  // namespace

Status ParseListen(const std::string& text, ServerConfig& config) {
  const std::size_t colon = text.rfind(':');
  int port = 0;
  if (colon != std::string::npos) {
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, port);
    if (error == std::errc{} && stop == end && port >= 0 && port <= 65535) {
      config.host = text.substr(0, colon);
      config.port = port;
      return Ok();
    }
  }
  return Invalid(fmt::format("\"{}\" is no address", text), "--listen 127.0.0.1:7420");
}

Result<ServerConfig> LoadServerConfig(const std::string& path,
                                      const std::map<std::string, std::string>& env,
                                      ServerConfig config) {
  NM_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  const Result<std::string> canonical = ParseStrictJson(text, true);
  if (!canonical.ok()) return Invalid(fmt::format("{}: {}", path, canonical.error().message));
  const json file = json::parse(*canonical);
  if (!file.is_object()) return Invalid(fmt::format("{} must hold a JSON object", path));
  for (const auto& [name, value] : file.items()) {
    if (name == "$schema" || name.starts_with("x-") || IsAlerts(name)) continue;
    if (!IsSection(name)) {
      NM_RETURN_IF_ERROR(ReadMember(path, name, value, config));
      continue;
    }
    if (!value.is_object()) return Invalid(fmt::format("{}: {} must be an object", path, name));
    for (const auto& [member, inner] : value.items()) {
      NM_RETURN_IF_ERROR(ReadMember(path, fmt::format("{}.{}", name, member), inner, config));
    }
  }
  Result<AlertConfig> alerts = ParseAlertConfig(*canonical, env);
  if (!alerts.ok()) return Invalid(fmt::format("{}: {}", path, alerts.error().message));
  config.alerts = *std::move(alerts);
  return config;
}

}  // namespace nightmill
