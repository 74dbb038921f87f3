#include "worker/runtime/pokes.h"

#include <fmt/format.h>
#include <glob.h>
#include <sys/stat.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/json.h"
#include "worker/runtime/clock.h"

namespace nightmill {
namespace {

using nlohmann::json;

struct FileSensor {
  std::string path;
  std::int64_t min_bytes = 1;
  Duration settle{0};
};

Result<FileSensor> ParseFileSensor(std::string_view text) {
  const json spec = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!spec.is_object()) return Invalid("sensor spec is not a JSON object");
  FileSensor sensor;
  for (const auto& [key, value] : spec.items()) {
    if (key == "path" && value.is_string()) {
      sensor.path = value.get<std::string>();
    } else if (key == "min_bytes" && value.is_number_integer()) {
      sensor.min_bytes = value.get<std::int64_t>();
    } else if (key == "settle" && value.is_string()) {
      NM_ASSIGN_OR_RETURN(sensor.settle, ParseDuration(value.get<std::string>()));
    } else if (key == "settle" && value.is_number()) {
      NM_ASSIGN_OR_RETURN(sensor.settle, ParseDuration(value.dump()));
    } else if (key == "path" || key == "min_bytes") {
      return Invalid(fmt::format("sensor spec: {} has the wrong type", key));
    }
  }
  if (sensor.path.empty()) return Invalid("sensor spec: path is missing");
  return sensor;
}

// A folder that is not there (yet) simply holds no match; any other trouble must be told.
int OnGlobError(const char*, int error) { return error != ENOENT && error != ENOTDIR ? 1 : 0; }

// Paths that match, in order; kUnavailable if a folder could not be read.
Result<std::vector<std::string>> Glob(const std::string& pattern) {
  glob_t found{};
  const int status = ::glob(pattern.c_str(), 0, OnGlobError, &found);
  std::vector<std::string> paths;
  for (std::size_t i = 0; status == 0 && i < found.gl_pathc; ++i) {
    paths.emplace_back(found.gl_pathv[i]);
  }
  ::globfree(&found);
  if (status == GLOB_ABORTED) return Unavailable(fmt::format("cannot list {}", pattern));
  if (status == GLOB_NOSPACE) return Unavailable("out of memory while listing");
  return paths;
}

wire::PokeResult Failed(std::string error) {
  wire::PokeResult result;
  result.error = std::move(error);
  return result;
}

}  // namespace

wire::PokeResult CheckFile(std::string_view spec, const std::string& data_root, Instant now) {
  const Result<FileSensor> sensor = ParseFileSensor(spec);
  if (!sensor.ok()) return Failed(sensor.error().message);
  const bool absolute = sensor->path.front() == '/' || data_root.empty();
  const auto paths = Glob(absolute ? sensor->path : data_root + "/" + sensor->path);
  if (!paths.ok()) return Failed(paths.error().message);
  wire::PokeResult result;
  result.met = !paths->empty();
  std::int64_t bytes = 0;
  for (const std::string& path : *paths) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) {
      if (errno != ENOENT) return Failed(fmt::format("{}: {}", path, strerror(errno)));
      result.met = false;  // gone between listing and looking
      continue;
    }
    const Instant changed = InstantFromMicros(std::int64_t{info.st_mtim.tv_sec} * 1'000'000 +
                                              info.st_mtim.tv_nsec / 1'000);
    bytes += info.st_size;
    if (!S_ISREG(info.st_mode) || info.st_size < sensor->min_bytes ||
        (sensor->settle.count() > 0 && now - changed < sensor->settle)) {
      result.met = false;
    }
  }
  result.detail = json{{"files", paths->size()}, {"bytes", bytes}}.dump();
  return result;
}

Pokes::Pokes(boost::asio::io_context& io, Background& background,
             std::function<void(wire::PokeResult)> done)
    : io_(io), background_(background), done_(std::move(done)) {}

void Pokes::Start(wire::Poke poke) {
  const auto [it, added] = open_.try_emplace(poke.poke, io_);
  if (!added) return;
  if (poke.type != "sensor.file") {
    wire::PokeResult unknown = Failed(fmt::format("this worker cannot poke \"{}\"", poke.type));
    unknown.poke = poke.poke;
    return Answer(std::move(unknown));
  }
  if (poke.timeout.count() > 0) {
    it->second.expires_after(poke.timeout);
    it->second.async_wait(
        [this, poke = poke.poke, timeout = poke.timeout](const boost::system::error_code& error) {
          if (error) return;
          wire::PokeResult late = Failed("no answer within " + FormatDuration(timeout));
          late.poke = poke;
          Answer(std::move(late));
        });
  }
  // The thread may answer after the timeout did; Answer then finds nothing open.
  background_.Run([this, poke = std::move(poke)] {
    wire::PokeResult result = CheckFile(poke.spec, poke.data_root, WallTime());
    result.poke = poke.poke;
    boost::asio::post(io_, [this, result = std::move(result)] { Answer(result); });
  });
}

void Pokes::Cancel(std::int64_t poke) { open_.erase(poke); }

void Pokes::Answer(wire::PokeResult result) {
  if (open_.erase(result.poke) != 0) done_(std::move(result));
}

}  // namespace nightmill
