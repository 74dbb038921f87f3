#include "worker/runtime/host_main.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "core/base/limits.h"
#include "operators/operator.h"
#include "worker/protocol/codec.h"
#include "worker/runtime/attempt_end.h"
#include "worker/runtime/log_sink.h"
#include "worker/runtime/proc.h"

namespace nightmill {
namespace {

constexpr int kProgressEveryMs = 500;

// The write side of the socket, shared by both threads.
class Channel {
 public:
  explicit Channel(int socket) : socket_(socket) {}

  void Send(const wire::FromHost& message) {
    std::string frame;
    if (!wire::AppendFrame(message, frame).ok()) {
      frame.clear();
      const wire::HostDone too_large{false,  "internal", "the operator's result exceeds the frame",
                                     "null", {},         0};
      if (!wire::AppendFrame(wire::FromHost(too_large), frame).ok()) return;
    }
    const std::lock_guard lock(mutex_);
    std::string_view rest = frame;
    while (!rest.empty()) {
      const ssize_t n = ::send(socket_, rest.data(), rest.size(), MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) ::_exit(0);  // the worker is gone
      rest.remove_prefix(static_cast<std::size_t>(n));
    }
  }

 private:
  const int socket_;
  std::mutex mutex_;
};

void PointOutputAt(int fd) {
  ::dup2(fd, STDOUT_FILENO);
  ::dup2(fd, STDERR_FILENO);
}

// "5" resets the peak of resident memory (proc(5), clear_refs), so that it is this attempt's own.
void ResetPeakMemory() {
  const UniqueFd file(::open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC));
  if (file.valid()) [[maybe_unused]]
    const ssize_t n = ::write(file.get(), "5", 1);
}

std::int64_t PeakMemoryBytes() {
  const UniqueFd file(::open("/proc/self/status", O_RDONLY | O_CLOEXEC));
  char text[4096];
  const ssize_t n = file.valid() ? ::read(file.get(), text, sizeof text) : 0;
  const std::string_view status(text, n > 0 ? static_cast<std::size_t>(n) : 0);
  const std::size_t at = status.find("VmHWM:");
  if (at == std::string_view::npos) return 0;
  return std::strtoll(status.data() + at + 6, nullptr, 10) * 1024;
}

double CpuSeconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return UsageOf(usage).cpu_seconds;
}

OperatorError MakeError(OperatorErrorCode code, std::string message) {
  OperatorError error;
  error.code = code;
  error.message = std::move(message);
  return error;
}

class Host {
 public:
  explicit Host(int socket) : socket_(socket), channel_(socket) {}

  int Run() {
    std::thread runner([this] { RunAttempts(); });
    Listen();
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
      // An operator that still runs has lost its supervisor: nothing it does can count.
      if (running_) ::_exit(0);
    }
    wake_.notify_all();
    runner.join();
    return 0;
  }

 private:
  void Listen() {
    char chunk[16384];
    while (true) {
      pollfd waiting = {socket_, POLLIN, 0};
      const int ready = ::poll(&waiting, 1, Running() ? kProgressEveryMs : -1);
      if (ready < 0 && errno != EINTR) return;
      if (ready <= 0) {
        if (Running()) channel_.Send(wire::HostProgress{Progress()});
        continue;
      }
      const ssize_t n = ::recv(socket_, chunk, sizeof chunk, 0);
      if (n <= 0) return;
      reader_.Append({chunk, static_cast<std::size_t>(n)});
      if (!HandleAll()) return;
    }
  }

  bool HandleAll() {
    while (true) {
      const auto payload = reader_.Next();
      if (!payload.ok()) return false;
      if (!payload->has_value()) return true;
      auto message = wire::ParseToHost(**payload);
      if (!message.ok()) return false;
      Handle(std::move(message).value());
    }
  }

  void Handle(wire::ToHost message) {
    if (std::holds_alternative<wire::HostCancel>(message)) {
      cancelled_ = true;
      return;
    }
    const std::lock_guard lock(mutex_);
    if (auto* leave = std::get_if<wire::HostLeave>(&message)) {
      leave_ = std::move(*leave);
    } else {
      cancelled_ = false;
      running_ = true;
      // Before operator code: after our death the worker must know whether the attempt began.
      channel_.Send(wire::HostStarted{});
      next_ = std::move(std::get<wire::HostRun>(message).spec);
    }
    wake_.notify_all();
  }

  bool Running() {
    const std::lock_guard lock(mutex_);
    return running_;
  }

  wire::AttemptProgress Progress() {
    wire::AttemptProgress progress;
    progress.rows_in = progress_.rows_in;
    progress.bytes_read = progress_.bytes_read;
    progress.bytes_written = progress_.bytes_written;
    progress.units_done = progress_.units_done;
    progress.units_total = progress_.units_total;
    return progress;
  }

  // ---- the other thread

  void RunAttempts() {
    while (true) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stop_ || next_; });
      if (stop_) return;
      const AttemptSpec spec = *std::exchange(next_, std::nullopt);
      lock.unlock();
      wire::HostDone done = RunOne(spec);
      lock.lock();
      running_ = false;
      leave_.reset();
      lock.unlock();
      channel_.Send(std::move(done));
    }
  }

  wire::HostDone RunOne(const AttemptSpec& spec) {
    Result<LogSink> log = LogSink::Open(spec.log_path, spec.limits.log_bytes);
    if (!log.ok()) return {false, "io", log.error().message, "null", {}, ResidentBytes()};
    PointOutputAt(log->fd());
    for (auto* counter : {&progress_.rows_in, &progress_.bytes_read, &progress_.bytes_written,
                          &progress_.units_done, &progress_.units_total}) {
      *counter = 0;
    }
    ResetPeakMemory();
    const double cpu_before = CpuSeconds();
    wire::HostDone done = ToDone(Execute(spec));
    if (!done.ok) log->Note(done.message);
    done.usage.cpu_seconds = CpuSeconds() - cpu_before;
    done.usage.max_rss_bytes = PeakMemoryBytes();
    done.usage.bytes_read = progress_.bytes_read;
    done.usage.bytes_written = progress_.bytes_written;
    done.rss_bytes = ResidentBytes();
    log->Trim();
    const UniqueFd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    PointOutputAt(null.get());
    return done;
  }

  OperatorResult Execute(const AttemptSpec& spec) {
    const Operator* const found = FindOperator(spec.operator_type);
    if (found == nullptr) {
      return MakeError(OperatorErrorCode::kBadSpec,
                       fmt::format("this worker has no operator \"{}\"", spec.operator_type));
    }
    OperatorContext context;
    context.data_root = spec.data_root;
    context.attempt_name =
        fmt::format("a{}-{}", spec.id.value, wire::IncarnationHex(spec.incarnation));
    context.threads = std::max(spec.places, 1);
    context.memory_cap = spec.limits.memory_bytes;
    if (context.memory_cap.value_or(kLeastMemoryBytes) < kLeastMemoryBytes) {
      return MakeError(OperatorErrorCode::kBadSpec,
                       "limits.memory is too small for a native operator: 16MiB at least");
    }
    context.cancelled = &cancelled_;
    context.progress = &progress_;
    context.leave_to_publish = [this] { return AskLeave(); };
    context.log = [](std::string_view line) {
      const std::string text = fmt::format("{}\n", line);
      [[maybe_unused]] const ssize_t n = ::write(STDOUT_FILENO, text.data(), text.size());
    };
    // An operator's libraries may throw; nothing of that leaves the room.
    try {
      return found->Run(spec.operator_spec, context);
    } catch (const std::bad_alloc&) {
      return MakeError(OperatorErrorCode::kOomBudget, "out of memory");
    } catch (const std::exception& error) {
      return MakeError(OperatorErrorCode::kInternal, error.what());
    }
  }

  static wire::HostDone ToDone(OperatorResult result) {
    wire::HostDone done;
    if (auto* output = std::get_if<std::string>(&result)) {
      done.ok = true;
      done.output = std::move(*output);
      return done;
    }
    const OperatorError& error = std::get<OperatorError>(result);
    done.kind = ToString(error.code);
    done.message = ToLine(error);
    done.output = ToJson(error);
    return done;
  }

  Status AskLeave() {
    if (cancelled_) return Conflict("the attempt is being ended");
    channel_.Send(wire::HostAsksLeave{});
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return leave_.has_value(); });
    const wire::HostLeave leave = *std::exchange(leave_, std::nullopt);
    if (!leave.granted) return Conflict(leave.reason);
    return Ok();
  }

  const int socket_;
  Channel channel_;
  wire::FrameReader reader_;
  std::atomic<bool> cancelled_{false};
  OperatorProgress progress_;

  std::mutex mutex_;
  std::condition_variable wake_;
  // Guarded by mutex_.
  std::optional<AttemptSpec> next_;
  std::optional<wire::HostLeave> leave_;
  bool running_ = false;
  bool stop_ = false;
};

}  // namespace

int RunOperatorHost(int socket) {
  // Should the worker die in an instant when the socket tells nothing (a stopped operator thread),
  // the kernel ends us.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::fcntl(socket, F_SETFD, FD_CLOEXEC);
  return Host(socket).Run();
}

}  // namespace nightmill
