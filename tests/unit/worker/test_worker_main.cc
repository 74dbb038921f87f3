// nightmill-worker with operators that are good, fail, crash, or are deaf.
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>

#include "operators/operator.h"
#include "worker/runtime/host_main.h"
#include "worker/runtime/worker_loop.h"

namespace nightmill {
namespace {

using Body = OperatorResult (*)(std::string_view spec, const OperatorContext& context);

class TestOperator : public Operator {
 public:
  explicit TestOperator(Body body) : body_(body) {}
  OperatorResult Run(std::string_view spec, const OperatorContext& context) const override {
    return body_(spec, context);
  }

 private:
  Body body_;
};

// Announces in the file named by the spec that it runs; tests wait for that.
void Announce(std::string_view spec) { std::ofstream(std::string(spec)) << "running"; }

OperatorResult Good(std::string_view spec, const OperatorContext& context) {
  context.log("good was here");
  context.progress->rows_in = 7;
  context.progress->bytes_read = 11;
  const std::string cap = context.memory_cap ? std::to_string(*context.memory_cap) : "null";
  return R"({"pid":)" + std::to_string(getpid()) + R"(,"threads":)" +
         std::to_string(context.threads) + R"(,"memory_cap":)" + cap + R"(,"spec":)" +
         std::string(spec) + "}";
}

OperatorResult Fails(std::string_view, const OperatorContext&) {
  OperatorError error;
  error.code = OperatorErrorCode::kCheck;
  error.message = "row_count is 3";
  return error;
}

OperatorResult Throws(std::string_view, const OperatorContext&) {
  throw std::runtime_error("thrown");
}

OperatorResult Segv(std::string_view, const OperatorContext&) {
  std::raise(SIGSEGV);
  return "null";
}

OperatorResult Abort(std::string_view, const OperatorContext&) { std::abort(); }

OperatorResult Exit(std::string_view, const OperatorContext&) { _exit(3); }

OperatorResult Obedient(std::string_view spec, const OperatorContext& context) {
  Announce(spec);
  while (!*context.cancelled) std::this_thread::yield();
  OperatorError error;
  error.code = OperatorErrorCode::kCancelled;
  error.message = "asked to stop";
  return error;
}

OperatorResult Deaf(std::string_view spec, const OperatorContext&) {
  Announce(spec);
  while (true) pause();
}

OperatorResult Publishes(std::string_view, const OperatorContext& context) {
  const Status leave = context.leave_to_publish();
  if (leave.ok()) return R"("published")";
  OperatorError error;
  error.code = OperatorErrorCode::kCancelled;
  error.message = leave.error().message;
  return error;
}

struct Named {
  std::string_view type;
  TestOperator op;
};
const Named kOperators[] = {
    {"good", TestOperator(Good)},           {"fails", TestOperator(Fails)},
    {"throws", TestOperator(Throws)},       {"segv", TestOperator(Segv)},
    {"abort", TestOperator(Abort)},         {"exit", TestOperator(Exit)},
    {"obedient", TestOperator(Obedient)},   {"deaf", TestOperator(Deaf)},
    {"publishes", TestOperator(Publishes)},
};

}  // namespace

const Operator* FindOperator(std::string_view type) {
  for (const Named& named : kOperators) {
    if (named.type == type) return &named.op;
  }
  return nullptr;
}

}  // namespace nightmill

int main(int argc, char** argv) {
  using namespace nightmill;
  if (argc > 1 && std::string_view(argv[1]) == "--operator-host") return RunOperatorHost();
  WorkerOptions options;
  options.state_dir = argv[1];
  options.slots = 4;
  if (argc > 2) options.alone_limit = Duration{std::atoi(argv[2])};
  return static_cast<int>(RunWorker(options));
}
