// What a process task hands back besides its exit code: the file named by NIGHTMILL_OUTPUT and the
// folder named by NIGHTMILL_OUTPUT_DIR. The folder exists when the task starts (scripts redirect
// into it); it is taken away again unless the task succeeded and put something there. The file lies
// beside it. Loop thread only, but for Discard.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/model/task.h"
#include "worker/runtime/spare_folders.h"

namespace nightmill {

class TaskOutput {
 public:
  // `directory` is AttemptSpec::output_dir; "" makes everything here a no-op. `spares` outlives
  // this.
  TaskOutput(std::string directory, SpareFolders& spares);

  const std::string& directory() const { return directory_; }
  const std::string& file() const { return file_; }

  // Creates the folder, empty even if an earlier start of the same attempt left something.
  Status Prepare() const;
  // After success: the output as JSON text, "null" if none was written. kInvalid says what is wrong
  // with it. The file is removed.
  Result<std::string> Take(OutputMode mode) const;
  // After success: takes an empty folder away; returns the folder's path if it holds anything.
  std::string KeepArtifact() const;
  // After anything else: removes what can be removed at once; false: Discard has real work left.
  bool DiscardEmpty() const;
  // Deletes a full folder: may take long, from any thread.
  static void Discard(const std::string& directory);

 private:
  std::string directory_;
  std::string file_;
  SpareFolders& spares_;
};

// The text of an output file as JSON (limits.h kMaxOutputBytes is the caller's to check).
Result<std::string> OutputToJson(std::string_view text, OutputMode mode);

}  // namespace nightmill
