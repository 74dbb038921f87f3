// Sensor checks. Each runs on a background thread, is bounded by its timeout and answered exactly
// once, or not at all after CancelPoke. Loop thread only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "worker/protocol/messages.h"
#include "worker/runtime/background.h"

namespace nightmill {

// sensor.file: `spec` is {"path", "min_bytes" = 1, "settle" = "0s"}; `path` may hold the wildcards
// of glob(7), a relative one starts at data_root. Met when something matches and every match is a
// file of at least min_bytes, unchanged for `settle`. detail: {"files": N, "bytes": N}.
wire::PokeResult CheckFile(std::string_view spec, const std::string& data_root, Instant now);

class Pokes {
 public:
  Pokes(boost::asio::io_context& io, Background& background,
        std::function<void(wire::PokeResult)> done);

  void Start(wire::Poke poke);
  void Cancel(std::int64_t poke);

 private:
  void Answer(wire::PokeResult result);

  boost::asio::io_context& io_;
  Background& background_;
  std::function<void(wire::PokeResult)> done_;
  std::map<std::int64_t, boost::asio::steady_timer> open_;
};

}  // namespace nightmill
