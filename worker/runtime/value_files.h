// Values that the daemon gives a process and that are too long for its environment
// (product.md 2.3): each becomes a file beside the attempt's output folder, named in
// NIGHTMILL_<NAME>_FILE. The files go with the attempt. Loop thread only.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/base/result.h"
#include "worker/runtime/spawn.h"

namespace nightmill {

class ValueFiles {
 public:
  // `folder` is AttemptSpec::output_dir. `env` must outlive this: usually nothing in it is too long
  // and no copy is made.
  ValueFiles(const Environment& env, const std::string& folder);

  // The environment with the names of files in place of long values.
  const Environment& env() const { return files_.empty() ? env_ : short_env_; }
  // Writes them; the folder's parent must exist. kUnavailable if that fails.
  Status Write() const;
  void Remove() const;

 private:
  struct File {
    std::string path;
    const std::string* value;
  };

  const Environment& env_;
  Environment short_env_;
  std::vector<File> files_;
};

}  // namespace nightmill
