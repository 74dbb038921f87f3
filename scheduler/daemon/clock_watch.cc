#include "scheduler/daemon/clock_watch.h"

#include <spdlog/spdlog.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <limits>
#include <utility>

namespace nightmill {

ClockWatch::ClockWatch(std::string boot_id, const std::optional<ClockRow>& stored) {
  known_ = stored && stored->boot_id == boot_id;
  now_ = {std::move(boot_id), known_ ? stored->booted_at : Instant{}};
}

std::chrono::microseconds ClockWatch::Look(const ClockReading& reading) {
  const Instant booted_at = reading.wall - reading.since_boot;
  const auto step = known_ ? booted_at - now_.booted_at : std::chrono::microseconds{0};
  if (known_ && step < kSlack && step > -kSlack) return std::chrono::microseconds{0};
  now_.booted_at = booted_at;
  known_ = true;
  dirty_ = true;
  return step;
}

std::optional<ClockRow> ClockWatch::TakeRow() {
  if (!std::exchange(dirty_, false)) return std::nullopt;
  return now_;
}

// A timer of the wall clock that is never due; the kernel cancels it when the clock is set
// (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET).
struct ClockSetSignal::Impl : std::enable_shared_from_this<ClockSetSignal::Impl> {
  Impl(boost::asio::io_context& io, std::function<void()> set)
      : timer(io, timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK)),
        on_set(std::move(set)) {}

  void Arm() {
    itimerspec never{};
    never.it_value.tv_sec = std::numeric_limits<std::int32_t>::max() * std::int64_t{100};
    if (timerfd_settime(timer.native_handle(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never,
                        nullptr) != 0) {
      spdlog::warn("a clock that is set is noticed at the next event only");
      return;
    }
    timer.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       if (error) return;
                       std::uint64_t expirations = 0;
                       [[maybe_unused]] const ssize_t n =
                           ::read(self->timer.native_handle(), &expirations, sizeof expirations);
                       self->Arm();
                       self->on_set();
                     });
  }

  boost::asio::posix::stream_descriptor timer;
  std::function<void()> on_set;
};

ClockSetSignal::ClockSetSignal(boost::asio::io_context& io, std::function<void()> on_set)
    : impl_(std::make_shared<Impl>(io, std::move(on_set))) {
  impl_->Arm();
}

ClockSetSignal::~ClockSetSignal() {
  boost::system::error_code ignored;
  impl_->timer.close(ignored);
}

}  // namespace nightmill
