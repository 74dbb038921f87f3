#include "operators/columnar/text_source.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <vector>

namespace nightmill {
namespace {

constexpr std::size_t kReadBytes = 256 << 10;

OperatorError At(const InputFile& file, std::string message, std::string reason,
                 std::string hint = {}) {
  OperatorError error = BadInput(std::move(message), std::move(reason), std::move(hint));
  error.file = file.info().path;
  return error;
}

class PlainSource final : public TextSource {
 public:
  explicit PlainSource(std::shared_ptr<const InputFile> file) : file_(std::move(file)) {}

  OpResult<std::size_t> Read(char* out, std::size_t n) override {
    const std::int64_t left = file_->info().size - at_;
    const std::int64_t take = std::min(left, static_cast<std::int64_t>(n));
    NM_RETURN_IF_ERROR(file_->ReadAt(at_, take, out));
    at_ += take;
    return static_cast<std::size_t>(take);
  }

 private:
  std::shared_ptr<const InputFile> file_;
  std::int64_t at_ = 0;
};

// One or more gzip members, one after the other.
class GzipSource final : public TextSource {
 public:
  explicit GzipSource(std::shared_ptr<const InputFile> file)
      : file_(file), raw_(std::move(file)), in_(kReadBytes) {}
  ~GzipSource() override {
    if (open_) inflateEnd(&stream_);
  }

  OpStatus Start() {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    stream_ = {};
    if (inflateInit2(&stream_, kGzipOnly) != Z_OK) {
      return MakeOpError(OperatorErrorCode::kOomBudget, "zlib has no memory", "memory");
    }
    open_ = true;
    return OpOk();
  }

  OpResult<std::size_t> Read(char* out, std::size_t n) override {
    stream_.next_out = reinterpret_cast<Bytef*>(out);
    stream_.avail_out = static_cast<uInt>(n);
    while (stream_.avail_out == n && !ended_) {
      if (stream_.avail_in == 0) {
        NM_ASSIGN_OR_RETURN(const std::size_t got, raw_.Read(in_.data(), in_.size()));
        stream_.next_in = reinterpret_cast<Bytef*>(in_.data());
        stream_.avail_in = static_cast<uInt>(got);
        if (got == 0) {
          if (!between_) {
            return At(*file_, "the gzip stream ends early", "truncated", "write the file again");
          }
          ended_ = true;
          break;
        }
      }
      if (between_) {
        if (inflateReset(&stream_) != Z_OK) return Corrupt();
        between_ = false;
      }
      const int code = inflate(&stream_, Z_NO_FLUSH);
      if (code == Z_STREAM_END) {
        between_ = true;
      } else if (code != Z_OK && code != Z_BUF_ERROR) {
        return Corrupt();
      }
    }
    return n - stream_.avail_out;
  }

 private:
  OperatorError Corrupt() const {
    return At(*file_,
              std::string("the gzip stream is broken: ") +
                  (stream_.msg != nullptr ? stream_.msg : "unknown data"),
              "corrupt", "write the file again");
  }

  std::shared_ptr<const InputFile> file_;
  PlainSource raw_;
  std::vector<char> in_;
  z_stream stream_{};
  bool open_ = false;
  bool between_ = false;  // a member has ended, another may follow
  bool ended_ = false;
};

// Skips a UTF-8 byte order mark and refuses UTF-16.
class MarkSkipper final : public TextSource {
 public:
  MarkSkipper(std::shared_ptr<const InputFile> file, std::unique_ptr<TextSource> source)
      : file_(std::move(file)), source_(std::move(source)) {}

  OpResult<std::size_t> Read(char* out, std::size_t n) override {
    if (!started_) NM_RETURN_IF_ERROR(Start());
    if (!head_.empty()) {
      const std::size_t take = std::min(n, head_.size());
      std::memcpy(out, head_.data(), take);
      head_.erase(0, take);
      return take;
    }
    return source_->Read(out, n);
  }

 private:
  OpStatus Start() {
    started_ = true;
    char bytes[3];
    while (head_.size() < sizeof bytes) {
      NM_ASSIGN_OR_RETURN(const std::size_t got, source_->Read(bytes, sizeof bytes - head_.size()));
      if (got == 0) break;
      head_.append(bytes, got);
    }
    if (head_.starts_with("\xEF\xBB\xBF")) head_.erase(0, 3);
    if (head_.starts_with("\xFF\xFE") || head_.starts_with("\xFE\xFF")) {
      return At(*file_, "it is UTF-16 text", "unsupported", "convert it to UTF-8");
    }
    return OpOk();
  }

  std::shared_ptr<const InputFile> file_;
  std::unique_ptr<TextSource> source_;
  std::string head_;
  bool started_ = false;
};

}  // namespace

OpResult<std::unique_ptr<TextSource>> OpenText(const FileSystem& fs, const std::string& path) {
  NM_ASSIGN_OR_RETURN(const std::shared_ptr<const InputFile> file, fs.Open(path));
  char magic[4] = {};
  const std::int64_t n = std::min<std::int64_t>(file->info().size, 4);
  NM_RETURN_IF_ERROR(file->ReadAt(0, n, magic));
  const std::string_view head(magic, static_cast<std::size_t>(n));
  if (head == "\x28\xB5\x2F\xFD" || head.starts_with("BZh")) {
    return At(*file, "its compression is not supported", "unsupported", "use gzip or none");
  }
  std::unique_ptr<TextSource> source;
  if (head.starts_with("\x1F\x8B")) {
    auto gzip = std::make_unique<GzipSource>(file);
    NM_RETURN_IF_ERROR(gzip->Start());
    source = std::move(gzip);
  } else {
    source = std::make_unique<PlainSource>(file);
  }
  return std::unique_ptr<TextSource>(std::make_unique<MarkSkipper>(file, std::move(source)));
}

}  // namespace nightmill
