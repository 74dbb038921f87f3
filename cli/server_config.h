// nightmill.json (product.md 3.1): read with comments, unknown keys are errors with their place.
// Flags win over the file. Thread rule: main thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cli/cli.h"
#include "core/base/limits.h"
#include "core/base/result.h"
#include "scheduler/daemon/alerts/config.h"
#include "store/store.h"

namespace nightmill {

struct ServerConfig {
  std::string state_dir;
  std::string host = "127.0.0.1";
  int port = 7420;
  std::string data_root;  // "" = <state_dir>/data
  Durability durability = Durability::kFull;
  std::vector<std::string> allowed_hosts;
  std::vector<std::pair<std::string, int>> pools;
  int parallelism = limits::kDefaultParallelism;
  int sensor_parallelism = limits::kDefaultSensorParallelism;
  int workers = 1;
  int worker_slots = 0;  // 0: cores
  bool paused_upon_creation = true;
  bool share_root = false;
  std::string log_level = "info";
  AlertConfig alerts;
};

// kInvalid, naming file, member and what is allowed.
// `env` answers secrets that are named `env:NAME`.
Result<ServerConfig> LoadServerConfig(const std::string& path,
                                      const std::map<std::string, std::string>& env,
                                      ServerConfig defaults);
// "127.0.0.1:7420".
Status ParseListen(const std::string& text, ServerConfig& config);

}  // namespace nightmill
