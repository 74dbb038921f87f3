#include "tests/unit/worker/harness.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "worker/runtime/leftovers.h"
#include "worker/runtime/proc.h"

extern char** environ;

namespace nightmill {
namespace {

constexpr int kDeadlineMs = 20'000;

void AwaitReadable(int fd, const char* what) {
  pollfd waiting = {fd, POLLIN, 0};
  if (poll(&waiting, 1, kDeadlineMs) != 1) throw std::runtime_error(what);
}

}  // namespace

std::string TestWorkerProgram() { return NM_TEST_WORKER; }

void Eventually(const std::function<bool()>& condition, const char* what) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kDeadlineMs);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error(what);
    poll(nullptr, 0, 2);
  }
}

FakeDaemon::FakeDaemon(const std::string& socket_path, std::int64_t first_epoch)
    : epoch(first_epoch), socket_path_(socket_path) {
  listener_.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, socket_path.c_str(), sizeof address.sun_path - 1);
  unlink(socket_path.c_str());
  if (bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener_.get(), 8) != 0) {
    throw std::runtime_error("cannot listen");
  }
}

wire::Hello FakeDaemon::Accept() {
  AwaitReadable(listener_.get(), "no worker came");
  connection_.reset(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  reader_ = wire::FrameReader();
  queue_.clear();
  return Expect<wire::Hello>();
}

void FakeDaemon::Welcome(std::vector<wire::AttemptVerdict> verdicts) {
  wire::Welcome welcome;
  welcome.epoch = Epoch{epoch};
  welcome.verdicts = std::move(verdicts);
  Send(welcome);
}

void FakeDaemon::Send(const wire::ToWorker& message) {
  std::string frame;
  if (!wire::AppendFrame(message, frame).ok()) throw std::runtime_error("cannot frame");
  SendBytes(frame);
}

void FakeDaemon::SendBytes(std::string_view bytes) {
  if (send(connection_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(bytes.size())) {
    throw std::runtime_error("cannot send");
  }
}

void FakeDaemon::Receive() {
  AwaitReadable(connection_.get(), "the worker says nothing");
  char chunk[65536];
  const ssize_t n = recv(connection_.get(), chunk, sizeof chunk, 0);
  if (n <= 0) throw std::runtime_error("the worker closed the connection");
  reader_.Append({chunk, static_cast<std::size_t>(n)});
  while (true) {
    const auto payload = reader_.Next();
    if (!payload.ok()) throw std::runtime_error(payload.error().message);
    if (!*payload) return;
    auto message = wire::ParseToDaemon(**payload);
    if (!message.ok()) throw std::runtime_error(message.error().message);
    queue_.push_back(std::move(message).value());
  }
}

void FakeDaemon::Fence() {
  Send(wire::Poke{++last_poke_, "no such sensor", "{}", "", Duration{0}});
  while (Expect<wire::PokeResult>().poke != last_poke_) {
  }
}

bool FakeDaemon::SeesEnd() {
  try {
    while (true) Receive();
  } catch (const std::runtime_error& error) {
    return std::string_view(error.what()) == "the worker closed the connection";
  }
}

void FakeDaemon::Disconnect() { connection_.reset(); }

namespace {

std::string MakeTempDir() {
  std::string path = (std::filesystem::temp_directory_path() / "nmworker.XXXXXX").string();
  if (mkdtemp(path.data()) == nullptr) throw std::runtime_error("mkdtemp");
  return path;
}

}  // namespace

WorkerTest::WorkerTest() : dir_(MakeTempDir()), daemon(dir_ + "/worker.sock") {}

WorkerTest::~WorkerTest() {
  if (worker != 0) {
    // With its tasks, whatever state the test left it in.
    for (const pid_t pid : Descendants(worker)) kill(pid, SIGKILL);
    kill(worker, SIGKILL);
    waitpid(worker, nullptr, 0);
  }
  std::filesystem::remove_all(dir_);
}

void WorkerTest::StartWorker(std::vector<std::string> more_args) {
  std::vector<std::string> args = {TestWorkerProgram(), dir_};
  args.insert(args.end(), more_args.begin(), more_args.end());
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  const int error =
      posix_spawn(&worker, args[0].c_str(), nullptr, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) throw std::runtime_error("cannot start the test worker");
}

void WorkerTest::Connect() {
  StartWorker();
  incarnation = daemon.Accept().incarnation;
  daemon.Welcome();
}

void WorkerTest::Signal(int signal) { kill(worker, signal); }

int WorkerTest::WaitForExit() {
  int status = -1;
  Eventually([&] { return waitpid(worker, &status, WNOHANG) == worker; }, "the worker goes on");
  worker = 0;
  return status;
}

AttemptSpec WorkerTest::Process(std::vector<std::string> argv) {
  AttemptSpec spec;
  spec.id = AttemptId{next_attempt_++};
  spec.epoch = Epoch{daemon.epoch};
  spec.incarnation = incarnation;
  spec.targets = {{RunKey{1}, "task", -1}};
  spec.dag_id = "dag";
  spec.run_id = "run";
  spec.task_key = "dag/run/task/-1";
  spec.argv = std::move(argv);
  spec.env = {{"PATH", "/usr/bin:/bin"}};
  spec.cwd = "/";
  spec.kill_grace = Duration{200};
  spec.log_path = Path("logs/" + std::to_string(spec.id.value) + ".log");
  spec.output_dir = Path("out/" + std::to_string(spec.id.value));
  return spec;
}

AttemptSpec WorkerTest::Shell(const std::string& script) {
  return Process({"/bin/sh", "-euc", script});
}

AttemptSpec WorkerTest::Native(const std::string& type, std::string operator_spec) {
  AttemptSpec spec = Process({});
  spec.kind = AttemptKind::kNative;
  spec.env.clear();
  spec.operator_type = type;
  spec.operator_spec = std::move(operator_spec);
  spec.data_root = dir_;
  return spec;
}

AttemptReport WorkerTest::Run(const AttemptSpec& spec) {
  Start(spec);
  AttemptReport report = daemon.ExpectReport();
  daemon.Send(wire::Ack{{report.id}});
  return report;
}

std::string WorkerTest::ReadText(const std::string& path) const {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::size_t WorkerTest::Marked(const AttemptSpec& spec) const {
  const std::string mark = AttemptMark(spec.incarnation, spec.id);
  std::size_t count = 0;
  for (const pid_t pid : AllPids()) {
    if (ReadMark(pid) == mark) ++count;
  }
  return count;
}

}  // namespace nightmill
