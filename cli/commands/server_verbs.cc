#include <fmt/format.h>
#include <malloc.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <iostream>

#include "api/access.h"
#include "api/http_server.h"
#include "api/session.h"
#include "cli/commands/commands.h"
#include "cli/commands/follow.h"
#include "cli/rest_client.h"
#include "cli/server_config.h"
#include "core/base/json.h"
#include "scheduler/daemon/clock.h"
#include "scheduler/daemon/daemon.h"
#include "scheduler/daemon/state_dir.h"

namespace nightmill {
namespace {

using nlohmann::json;

struct ServerOptions {
  std::string config;
  std::string listen;
  std::string data_root;
  std::string durability;
  std::vector<std::string> pools;
  int requests_per_second = 100;
  int worker_slots = 0;
  bool dev = false;
  bool next_free_port = false;
};

Result<std::pair<std::string, int>> PoolOf(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals != std::string::npos && equals > 0) {
    try {
      const int slots = std::stoi(text.substr(equals + 1));
      if (slots >= -1) return std::pair{text.substr(0, equals), slots};
    } catch (const std::exception&) {
      // falls through to the message below
    }
  }
  return Invalid(fmt::format("\"{}\" is no pool", text), "--pool NAME=SLOTS; -1 is unlimited");
}

// The configuration file, if one is named.
Result<ServerConfig> FileConfigOf(const Cli& cli, const ServerOptions& options) {
  std::string path = options.config;
  if (path.empty()) {
    const auto it = cli.env.find("NIGHTMILL_CONFIG");
    if (it != cli.env.end()) path = it->second;
  }
  if (path.empty()) return ServerConfig();
  return LoadServerConfig(path, cli.env, ServerConfig());
}

// Flags win over the file.
Status AddFlags(const Cli& cli, const ServerOptions& options, ServerConfig& config) {
  if (config.state_dir.empty()) config.state_dir = cli.state_dir;
  config.state_dir = AbsolutePath(config.state_dir);
  if (!options.listen.empty()) NM_RETURN_IF_ERROR(ParseListen(options.listen, config));
  if (!options.data_root.empty()) config.data_root = options.data_root;
  if (config.data_root.empty()) config.data_root = config.state_dir + "/data";
  config.data_root = AbsolutePath(config.data_root);
  if (!options.durability.empty()) {
    const std::optional<Durability> parsed = ParseDurability(options.durability);
    if (!parsed) return Invalid("--durability is full or process");
    config.durability = *parsed;
  }
  for (const std::string& text : options.pools) {
    NM_ASSIGN_OR_RETURN(auto pool, PoolOf(text));
    config.pools.push_back(std::move(pool));
  }
  if (options.worker_slots < 0) {
    return Invalid(fmt::format("--worker-slots {} is not above 0", options.worker_slots));
  }
  if (options.worker_slots > 0) config.worker_slots = options.worker_slots;
  if (options.dev) {
    config.paused_upon_creation = false;
    config.share_root = true;
  }
  return Ok();
}

// A root daemon would run every task as root: only on request (reliability.md S13).
Status CheckUser(const ServerConfig& config) {
  if (geteuid() != 0 || config.share_root) return Ok();
  return Error{ErrorCode::kForbidden, "as root, every task would run as root",
               "run the server as an ordinary user, or accept it with --dev or "
               "tasks.share_root: true"};
}

Status CheckWorker(const DaemonOptions& options) {
  if (options.workers == 0 || access(options.worker_binary.c_str(), X_OK) == 0) return Ok();
  return NotFound(
      fmt::format("cannot start worker {}: {}", options.worker_binary, std::strerror(errno)),
      "install nightmill-worker beside nightmill");
}

std::vector<std::pair<std::string, std::string>> TaskEnv(const Cli& cli) {
  std::vector<std::pair<std::string, std::string>> env;
  for (const char* name : {"PATH", "HOME", "LANG", "TZ", "USER", "TMPDIR"}) {
    const auto it = cli.env.find(name);
    if (it != cli.env.end()) env.emplace_back(name, it->second);
  }
  if (env.empty() || env[0].first != "PATH")
    env.emplace_back("PATH", "/usr/local/bin:/usr/bin:/bin");
  return env;
}

// The admin token of a first start: its hash goes to the store, the text only to cli.token.
Result<std::vector<StoreRow>> FirstToken(const ServerConfig& config, bool& created) {
  const std::string path = config.state_dir + "/cli.token";
  created = false;
  if (ReadFile(path).ok()) return std::vector<StoreRow>{};
  NM_ASSIGN_OR_RETURN(const std::string token, NewToken());
  NM_RETURN_IF_ERROR(WriteFile(path, token + "\n", 0600));
  created = true;
  TokenRow row;
  row.id = fmt::format("cli-{}", TokenHash(token).substr(0, 8));
  row.hash = TokenHash(token);
  row.role = "admin";
  row.created_at = WallNow();
  return std::vector<StoreRow>{row};
}

HttpServerOptions HttpOptionsOf(const ServerConfig& config, const ServerOptions& options) {
  HttpServerOptions http;
  http.host = config.host;
  http.port = config.port;
  http.next_free_port = options.next_free_port;
  http.requests_per_second = options.requests_per_second;
  http.allowed_hosts = config.allowed_hosts;
  return http;
}

HttpServer::MakeContext ContextsOf(const ServerConfig& config, Daemon& daemon,
                                   LoginCodes& login_codes) {
  return [&daemon, config, &login_codes]() -> Result<std::unique_ptr<ApiContext>> {
    NM_ASSIGN_OR_RETURN(Queries queries,
                        Queries::Open(daemon.database(), [&daemon] { return daemon.Monotonic(); }));
    return std::make_unique<ApiContext>(ApiContext{
        daemon.mailbox(), std::move(queries), daemon.catalog(), config.state_dir,
        std::string(ToString(config.durability)), NIGHTMILL_VERSION, config.paused_upon_creation,
        geteuid() == 0, &login_codes, &daemon.alerts(), [&daemon] { return daemon.Now(); }});
  };
}

// A code that opens the page as who has the token of the command line.
Result<std::string> LoginCodeFor(const ServerConfig& config, LoginCodes& login_codes) {
  NM_ASSIGN_OR_RETURN(std::string token, ReadFile(config.state_dir + "/cli.token"));
  while (!token.empty() && token.back() == '\n') token.pop_back();
  return login_codes.Mint(fmt::format("cli-{}", TokenHash(token).substr(0, 8)), WallNow());
}

void SetUpLog(const ServerConfig& config) {
  auto logger = spdlog::stderr_logger_mt("nightmill");
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
  logger->set_level(spdlog::level::from_str(config.log_level));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

int FailStart(const Error& error) {
  const int code = Fail(error);
  const bool owned = error.code == ErrorCode::kConflict && error.message.starts_with("another");
  return owned ? static_cast<int>(ExitCode::kStateOwned) : code;
}

DaemonOptions DaemonOptionsOf(const Cli& cli, const ServerConfig& config) {
  DaemonOptions options;
  options.state_dir = config.state_dir;
  options.data_root = config.data_root;
  options.durability = config.durability;
  options.worker_binary = cli.self.substr(0, cli.self.rfind('/') + 1) + "nightmill-worker";
  options.workers = config.workers;
  options.worker_slots = config.worker_slots;
  options.parallelism = config.parallelism;
  options.sensor_parallelism = config.sensor_parallelism;
  options.pools = config.pools;
  options.task_env = TaskEnv(cli);
  options.catalog = &cli.catalog;
  options.alerts = config.alerts;
  return options;
}

std::string UrlOf(const ServerConfig& config, const HttpServer& http) {
  return fmt::format("http://{}:{}", config.host, http.port());
}

// Until it is told to stop; `first` says that this start made the admin token.
int RunDaemon(const ServerConfig& config, Daemon& daemon, HttpServer& http, LoginCodes& login_codes,
              const bool& first) {
  const Status answering = http.Start(ContextsOf(config, daemon, login_codes));
  if (!answering.ok()) return Fail(answering.error());
  const Result<std::string> code = LoginCodeFor(config, login_codes);
  if (!code.ok()) return Fail(code.error());
  const std::string url = UrlOf(config, http);
  const std::string server_json = config.state_dir + "/server.json";
  const json known = {{"url", url},
                      {"token_file", config.state_dir + "/cli.token"},
                      {"pid", getpid()},
                      {"login", *code}};
  const Status published = WriteFile(server_json, known.dump() + "\n", 0600);
  if (!published.ok()) return Fail(published.error());
  const Status ran = daemon.Run([&] {
    std::cout << fmt::format("nightmill  {}   state {}   {} worker, durability {}\n", url,
                             config.state_dir, config.workers, ToString(config.durability));
    std::cout << fmt::format("page       {}/#login={}   opens once, within 10 minutes\n", url,
                             *code);
    if (first) std::cout << "token      written to " << config.state_dir << "/cli.token\n";
    std::cout << std::flush;
  });
  unlink(server_json.c_str());
  return ran.ok() ? 0 : Fail(ran.error());
}

int Serve(Cli& cli, const ServerOptions& options) {
  const Status resolved = ResolveCli(cli);
  if (!resolved.ok()) return Fail(resolved.error());
  Result<ServerConfig> config = FileConfigOf(cli, options);
  if (!config.ok()) {
    Fail(config.error());
    return static_cast<int>(ExitCode::kBadConfig);
  }
  const Status flags = AddFlags(cli, options, *config);
  if (!flags.ok()) return Fail(flags.error());
  DaemonOptions daemon_options = DaemonOptionsOf(cli, *config);
  const Status user = CheckUser(*config);
  if (!user.ok()) return Fail(user.error());
  const Status worker = CheckWorker(daemon_options);
  if (!worker.ok()) return Fail(worker.error());
  umask(0077);
  // Handlers share a heap: each of its own would keep the megabyte that its largest DAG file took.
  mallopt(M_ARENA_MAX, 2);
  signal(SIGPIPE, SIG_IGN);  // whoever read our log may go; the daemon stays
  SetUpLog(*config);
  // First of all, because a start that is refused for its port leaves nothing behind.
  Result<std::unique_ptr<HttpServer>> http = HttpServer::Listen(HttpOptionsOf(*config, options));
  if (!http.ok()) {
    const Status free = CheckNotOwned(config->state_dir);
    return FailStart(free.ok() ? http.error() : free.error());
  }
  daemon_options.page = UrlOf(*config, **http);
  bool first = false;
  daemon_options.make_first_rows = [&]() { return FirstToken(*config, first); };
  Result<std::unique_ptr<Daemon>> daemon = Daemon::Start(std::move(daemon_options));
  if (!daemon.ok()) return FailStart(daemon.error());
  LoginCodes login_codes;
  const int code = RunDaemon(*config, **daemon, **http, login_codes, first);
  (*http)->Stop();  // before the daemon goes that its threads use
  return code;
}

int StopServer(Cli& cli, bool cancel) {
  Result<RestClient> server = ServerOf(cli);
  if (!server.ok()) return Fail(server.error());
  const Result<json> answer = server->Post("/api/v2/shutdown", {{"cancel", cancel}});
  if (!answer.ok()) return Fail(answer.error());
  // A cancel waits for the tasks' grace.
  if (!WaitUntilGone(cli, *server, Duration{cancel ? 30'000 : 10'000})) {
    return Fail(Unavailable("the server is still there"));
  }
  if (cli.json()) PrintJson({{"url", server->url()}, {"stopped", true}});
  return 0;
}

int Health(Cli& cli) {
  Result<RestClient> server = ServerOf(cli, RestClient::Token::kIfThere);
  if (!server.ok()) return Fail(server.error());
  const Result<json> health = server->Get("/health");
  if (!health.ok()) {
    Fail(health.error());
    return health.error().code == ErrorCode::kUnavailable ? 8 : 1;
  }
  if (cli.json()) {
    PrintJson(*health);
  } else {
    std::cout << fmt::format("{}  {}  version {}  durability {}  {} live runs\n",
                             Text(*health, "status"), server->url(), Text(*health, "version"),
                             Text(*health, "durability"), Text(*health, "live_runs"));
    if (const auto lost = health->find("lost_attempts");
        lost != health->end() && lost->is_number() && *lost != 0) {
      std::cout << fmt::format(
          "lost attempts: {} since the first start; nightmill run list and "
          "task list show where and why\n",
          lost->dump());
    }
  }
  return Text(*health, "status") == "ok" ? 0 : 1;
}

}  // namespace

void AddServerVerbs(CommandLine& line, Cli& cli) {
  auto options = std::make_shared<ServerOptions>();
  line.Add("server", "run the daemon: scheduler, REST API, one worker")
      .Option("--config", options->config, "nightmill.json")
      .Option("--listen", options->listen, "address, default 127.0.0.1:7420")
      .Option("--data-root", options->data_root, "base of relative paths of native operators")
      .Option("--durability", options->durability, "full or process")
      .Option("--pool", options->pools, "NAME=SLOTS, created if absent (repeatable)")
      .Option("--requests-per-second", options->requests_per_second,
              "of one token, default 100; 0 = no limit")
      .Option("--worker-slots", options->worker_slots, "places of the worker; 0 = cores")
      .Flag("--dev", options->dev, "new DAGs start unpaused, tasks may share root")
      .Flag("--next-free-port", options->next_free_port, "take the next port if this one is taken")
      .Do([&cli, options] { return Serve(cli, *options); });
  auto cancel = std::make_shared<bool>(false);
  line.Add("server stop", "stop the daemon; running tasks go on")
      .Flag("--cancel", *cancel, "end running tasks and workers too")
      .Do([&cli, cancel] { return StopServer(cli, *cancel); });
  line.Add("health", "is the server well? exit 0: yes, 1: it says no, 8: it does not answer")
      .Do([&cli] { return Health(cli); });
  line.Add("version", "print the release").Do([&cli] {
    if (cli.json()) {
      PrintJson({{"version", NIGHTMILL_VERSION}});
    } else {
      std::cout << "nightmill " << NIGHTMILL_VERSION << '\n';
    }
    return 0;
  });
}

}  // namespace nightmill
