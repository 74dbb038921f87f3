// The command line as a tree of verbs, over CLI11 (which only command_line.cc includes: it is slow
// to compile). A verb binds its arguments to variables that outlive Run and names what to do. One
// rule for all verbs: required = positional, optional = flag. Thread rule: main thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace nightmill {

class Verb {
 public:
  virtual ~Verb() = default;
  virtual Verb& Arg(const std::string& name, std::string& target, const std::string& help) = 0;
  virtual Verb& OptionalArg(const std::string& name, std::string& target,
                            const std::string& help) = 0;
  virtual Verb& Args(const std::string& name, std::vector<std::string>& target,
                     const std::string& help) = 0;
  virtual Verb& Option(const std::string& flags, std::string& target, const std::string& help) = 0;
  virtual Verb& Option(const std::string& flags, int& target, const std::string& help) = 0;
  virtual Verb& Option(const std::string& flags, std::vector<std::string>& target,
                       const std::string& help) = 0;
  // "--interval START END".
  virtual Verb& Pair(const std::string& flags, std::vector<std::string>& target,
                     const std::string& help) = 0;
  // "--wait", "--wait=30m" or "--wait 30m": the value is a duration.
  virtual Verb& OptionalValue(const std::string& flags, std::optional<std::string>& target,
                              const std::string& help) = 0;
  virtual Verb& Flag(const std::string& flags, bool& target, const std::string& help) = 0;
  virtual Verb& Do(std::function<int()> action) = 0;
};

class CommandLine {
 public:
  // `examples` open the help text.
  CommandLine(const std::string& program, const std::string& summary, const std::string& examples);
  ~CommandLine();

  // "run trigger": the group "run" is made when first named. `aliases` are other names of the verb
  // ("dags trigger" of Airflow is an alias of the whole path).
  Verb& Add(const std::string& path, const std::string& help);
  // Options of every verb.
  void GlobalOption(const std::string& flags, std::string& target, const std::string& help);
  void GlobalFlag(const std::string& flags, bool& target, const std::string& help);
  // An option of every verb that takes one of `words`.
  void GlobalChoice(const std::string& flags, std::string& target,
                    const std::vector<std::string>& words);
  // --version prints `text`.
  void Version(const std::string& text);
  // What a group is for, and its second name, if any: "dags" for "dag".
  void Group(const std::string& group, const std::string& help, const std::string& alias = "");

  // Parses and runs the verb; its result, 0 for --help, 2 for wrong usage.
  int Run(int argc, char** argv);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace nightmill
