#include "scheduler/daemon/daemon.h"

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <cerrno>
#include <map>
#include <thread>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "scheduler/daemon/alerts/sender.h"
#include "scheduler/daemon/clock.h"
#include "scheduler/daemon/event_loop.h"
#include "scheduler/daemon/executors/local.h"
#include "scheduler/daemon/recovery.h"
#include "scheduler/daemon/state_dir.h"
#include "scheduler/daemon/worker_gateway.h"

namespace nightmill {
namespace {

// sun_path holds 108 bytes; a longer state directory gets its socket in a private folder of /tmp.
constexpr std::size_t kMaxSocketPath = 107;

// Where the worker socket is; gone with the daemon, also when a start is refused half way.
struct SocketPlace {
  std::string path;
  std::string folder;  // made for it, else ""

  SocketPlace() = default;
  SocketPlace(const SocketPlace&) = delete;
  SocketPlace& operator=(const SocketPlace&) = delete;
  ~SocketPlace() {
    if (!path.empty()) unlink(path.c_str());
    if (!folder.empty()) rmdir(folder.c_str());
  }
};

Status FindPlace(const std::string& state_dir, SocketPlace& place) {
  place.path = state_dir + "/worker.sock";
  if (place.path.size() <= kMaxSocketPath) return Ok();
  place.path.clear();
  const std::string folder =
      fmt::format("/tmp/nightmill-{}-{}", geteuid(), Sha256Hex(state_dir).substr(0, 16));
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return Invalid(fmt::format("cannot create {}", folder));
  }
  struct stat info {};
  if (lstat(folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != geteuid() ||
      (info.st_mode & 0077) != 0) {
    return Error{ErrorCode::kForbidden, fmt::format("{} is not a private folder of ours", folder)};
  }
  place.folder = folder;
  place.path = folder + "/worker.sock";
  return Ok();
}

int SlotsOf(const DaemonOptions& options) {
  if (options.worker_slots > 0) return options.worker_slots;
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

EngineConfig ConfigOf(const DaemonOptions& options) {
  EngineConfig config;
  config.state_dir = options.state_dir;
  config.data_root = options.data_root;
  config.base_env = options.task_env;
  config.parallelism = options.parallelism;
  config.sensor_parallelism = options.sensor_parallelism;
  config.notifiers = RulesOf(options.alerts);
  return config;
}

AlertSender::Options AlertOptionsOf(const DaemonOptions& options, const std::string& database) {
  return {options.alerts, options.page, database, options.task_env, WallNow, BootNow};
}

class DaemonShell : public Daemon {
 public:
  DaemonShell(DaemonOptions options, UniqueFd lock, Store store)
      : options_(std::move(options)),
        lock_(std::move(lock)),
        store_(std::move(store)),
        database_(options_.state_dir + "/nightmill.db"),
        engine_(ConfigOf(options_)),
        loop_(io_, engine_, store_),
        alerts_(AlertOptionsOf(options_, database_), loop_),
        signals_(io_, SIGTERM, SIGINT),
        grace_(io_) {}

  Mailbox& mailbox() override { return loop_; }
  const std::string& database() const override { return database_; }
  Duration Monotonic() const override { return BootNow(); }
  Instant Now() const override { return WallNow(); }
  const OperatorCatalog& catalog() const override { return *options_.catalog; }
  AlertDesk& alerts() override { return alerts_; }

  Status Begin() {
    NM_ASSIGN_OR_RETURN(Recovered recovered, Recover(store_, *options_.catalog));
    for (const std::string& problem : recovered.problems) spdlog::error("{}", problem);
    engine_.Load(recovered.snapshot, recovered.library);
    NM_ASSIGN_OR_RETURN(const std::optional<ClockRow> clock, store_.FindClock());
    loop_.WatchClock(ClockWatch(BootId(), clock));
    NM_RETURN_IF_ERROR(AddMissingPools(recovered.snapshot));
    NM_RETURN_IF_ERROR(FindPlace(options_.state_dir, socket_));
    MakeGateway();
    NM_RETURN_IF_ERROR(gateway_->Listen(socket_.path));
    LocalExecutor::Options local{options_.worker_binary, options_.state_dir, socket_.path,
                                 options_.workers,       SlotsOf(options_),  options_.task_env};
    executor_ = std::make_unique<LocalExecutor>(io_, std::move(local));
    spdlog::info("state {}: epoch {}, {} live runs, {} open attempts, durability {}",
                 options_.state_dir, store_.epoch().value, engine_.live_runs(),
                 engine_.open_attempts(), ToString(options_.durability));
    if (!options_.make_first_rows) return Ok();
    NM_ASSIGN_OR_RETURN(const std::vector<StoreRow> rows, options_.make_first_rows());
    return rows.empty() ? Ok() : store_.Commit({}, rows);
  }

  Status Run(std::function<void()> on_ready) override {
    NM_RETURN_IF_ERROR(executor_->Start());
    loop_.OnStop([this](bool cancel) { Leave(cancel); });
    signals_.async_wait([this](const boost::system::error_code& error, int) {
      if (!error) Leave(false);
    });
    loop_.OnOutbox([this] { alerts_.Wake(); });
    NM_RETURN_IF_ERROR(alerts_.Start());
    boost::asio::post(io_, [this, on_ready = std::move(on_ready)] {
      loop_.Pump();
      if (on_ready) on_ready();
    });
    io_.run();
    // A signal sent again must not turn a clean stop into a death by signal.
    signals_.clear();
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    loop_.Close();
    alerts_.Stop();
    return Ok();
  }

 private:
  void MakeGateway() {
    WorkerGateway::Callbacks callbacks;
    callbacks.on_event = [this](const std::string& worker, Event event) {
      loop_.Post(worker, std::move(event));
    };
    callbacks.is_open = [this](AttemptId attempt) { return engine_.IsOpen(attempt); };
    callbacks.may_publish = [this](AttemptId attempt, Epoch epoch, Incarnation incarnation) {
      return engine_.MayPublish(attempt, epoch, incarnation);
    };
    callbacks.on_hello = [this](const std::string& name, int pid) { executor_->Watch(name, pid); };
    callbacks.on_silent = [this](const std::string& name, int pid) { executor_->Fence(name, pid); };
    gateway_ = std::make_unique<WorkerGateway>(io_, store_.epoch(), std::move(callbacks));
    loop_.Attach(*gateway_);
  }

  // The last word on a pool wins: flags over the file, both over the standard default_pool.
  Status AddMissingPools(const Snapshot& snapshot) {
    std::map<std::string, int> wanted;
    for (const auto& [name, slots] : options_.pools) wanted[name] = slots;
    wanted.emplace("default_pool", limits::kDefaultPoolSlots);
    for (const PoolRow& pool : snapshot.pools) wanted.erase(pool.name);
    const std::size_t count = snapshot.pools.size() + wanted.size();
    if (!wanted.empty() && count > limits::kMaxPools) {
      return Invalid(fmt::format("{} pools with those of the configuration; the maximum is {}",
                                 count, limits::kMaxPools),
                     "take some out of `pools`");
    }
    for (const auto& [name, slots] : wanted) {
      event::PutPool put;
      put.pool.name = name;
      put.pool.slots = slots;
      loop_.Post(std::move(put));
    }
    return Ok();
  }

  // Stop, as reliability.md 3 promises: no new dispatch, what arrived is committed, exit within a
  // second; running tasks go on under their workers. With `cancel` workers end their tasks first.
  void Leave(bool cancel) {
    if (leaving_) return;
    leaving_ = true;
    spdlog::info("stopping{}", cancel ? " and ending all tasks" : "");
    executor_->Stop();
    alerts_.BeginStop();
    loop_.Post(event::StopDispatch{true, "the daemon is stopping"});
    gateway_->Shutdown(cancel);
    if (!cancel) return Finish();
    WaitForWorkers();
  }

  void WaitForWorkers() {
    const bool over = gateway_->connected() == 0 || BootNow() > cancel_until_;
    if (cancel_until_.count() == 0) {
      cancel_until_ = BootNow() + limits::kDefaultKillGrace + Duration{5'000};
    } else if (over) {
      return Finish();
    }
    grace_.expires_after(std::chrono::milliseconds(50));
    grace_.async_wait([this](const boost::system::error_code& error) {
      if (!error) WaitForWorkers();
    });
  }

  void Finish() {
    boost::asio::post(io_, [this] {
      loop_.Pump();
      io_.stop();
    });
  }

  DaemonOptions options_;
  UniqueFd lock_;
  Store store_;
  std::string database_;
  boost::asio::io_context io_{1};
  Engine engine_;
  EventLoop loop_;
  AlertSender alerts_;
  SocketPlace socket_;  // outlives the gateway that listens there
  std::unique_ptr<WorkerGateway> gateway_;
  std::unique_ptr<LocalExecutor> executor_;
  boost::asio::signal_set signals_;
  boost::asio::steady_timer grace_;
  Duration cancel_until_{0};
  bool leaving_ = false;
};

}  // namespace

Result<std::unique_ptr<Daemon>> Daemon::Start(DaemonOptions options) {
  CHECK(options.catalog != nullptr);
  NM_RETURN_IF_ERROR(PrepareStateDir(options.state_dir));
  NM_ASSIGN_OR_RETURN(UniqueFd lock, LockStateDir(options.state_dir));
  NM_RETURN_IF_ERROR(MakeDirs(options.data_root));
  StoreOptions store_options;
  store_options.durability = options.durability;
  NM_ASSIGN_OR_RETURN(Store store, Store::Open(options.state_dir + "/nightmill.db", store_options));
  auto daemon =
      std::make_unique<DaemonShell>(std::move(options), std::move(lock), std::move(store));
  NM_RETURN_IF_ERROR(daemon->Begin());
  return std::unique_ptr<Daemon>(std::move(daemon));
}

}  // namespace nightmill
