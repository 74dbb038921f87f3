#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <map>
#include <set>

#include "core/base/time.h"

namespace nightmill {
namespace {

constexpr const char* kBare = "-";

class VerbOverCli11 : public Verb {
 public:
  VerbOverCli11(CLI::App* app, std::set<std::string>& bare_flags)
      : app_(app), bare_flags_(bare_flags) {}

  Verb& Arg(const std::string& name, std::string& target, const std::string& help) override {
    app_->add_option(name, target, help)->required();
    return *this;
  }
  Verb& OptionalArg(const std::string& name, std::string& target,
                    const std::string& help) override {
    app_->add_option(name, target, help);
    return *this;
  }
  Verb& Args(const std::string& name, std::vector<std::string>& target,
             const std::string& help) override {
    app_->add_option(name, target, help)->required();
    return *this;
  }
  Verb& Option(const std::string& flags, std::string& target, const std::string& help) override {
    app_->add_option(flags, target, help)->capture_default_str();
    return *this;
  }
  Verb& Option(const std::string& flags, int& target, const std::string& help) override {
    app_->add_option(flags, target, help)->capture_default_str();
    return *this;
  }
  Verb& Option(const std::string& flags, std::vector<std::string>& target,
               const std::string& help) override {
    app_->add_option(flags, target, help)->type_size(1)->allow_extra_args(false);
    return *this;
  }
  Verb& Pair(const std::string& flags, std::vector<std::string>& target,
             const std::string& help) override {
    app_->add_option(flags, target, help)->expected(2);
    return *this;
  }
  Verb& OptionalValue(const std::string& flags, std::optional<std::string>& target,
                      const std::string& help) override {
    // Run() gives a bare flag the value kBare, so that it takes the next word only as a duration.
    app_->add_option_function<std::string>(
        flags,
        [&target](const std::string& value) { target = value == kBare ? std::string() : value; },
        help);
    bare_flags_.insert(flags);
    return *this;
  }
  Verb& Flag(const std::string& flags, bool& target, const std::string& help) override {
    app_->add_flag(flags, target, help);
    return *this;
  }
  Verb& Do(std::function<int()> action) override {
    action_ = std::move(action);
    return *this;
  }

  CLI::App* app() const { return app_; }
  int Run() const { return action_ ? action_() : 0; }

 private:
  CLI::App* app_;
  std::set<std::string>& bare_flags_;
  std::function<int()> action_;
};

}  // namespace

struct CommandLine::Impl {
  explicit Impl(const std::string& summary, const std::string& program) : app(summary, program) {}

  CLI::App app;
  std::vector<std::unique_ptr<VerbOverCli11>> verbs;
  std::map<std::string, CLI::App*> groups;
  std::set<std::string> bare_flags;  // that may stand without their value

  CLI::App* Group(const std::string& name) {
    CLI::App*& group = groups[name];
    if (group == nullptr) {
      group = app.add_subcommand(name, "");
      group->require_subcommand(0, 1);
      group->fallthrough();
    }
    return group;
  }

  // The word after a flag that may stand without its value, if CLI11 found no use for it: it was
  // meant as that value.
  std::string BadDuration(int argc, char** argv, const std::string& complaint) const {
    for (int i = 1; i + 1 < argc; ++i) {
      const std::string word = argv[i + 1];
      if (!bare_flags.contains(argv[i]) || !complaint.ends_with(" " + word)) continue;
      const Result<Duration> parsed = ParseDuration(word);
      if (parsed.ok()) continue;
      return std::string(argv[i]) + ": " + parsed.error().message +
             "\n  next: " + parsed.error().hint;
    }
    return {};
  }

  // The first word that is no verb, for a message of our own.
  std::string UnknownWord(int argc, char** argv) const {
    const CLI::App* at = &app;
    for (int i = 1; i < argc; ++i) {
      const std::string word = argv[i];
      if (word.starts_with('-')) return {};
      const CLI::App* next = nullptr;
      for (const CLI::App* sub : at->get_subcommands([](const CLI::App*) { return true; })) {
        if (sub->check_name(word)) next = sub;
      }
      if (next == nullptr) {
        return at->get_subcommands([](const CLI::App*) { return true; }).empty() ? "" : word;
      }
      at = next;
    }
    return {};
  }
};

CommandLine::CommandLine(const std::string& program, const std::string& summary,
                         const std::string& examples)
    : impl_(std::make_unique<Impl>(summary + "\n\n" + examples, program)) {
  impl_->app.require_subcommand(0, 1);
  impl_->app.fallthrough();
}

CommandLine::~CommandLine() = default;

Verb& CommandLine::Add(const std::string& path, const std::string& help) {
  const std::size_t space = path.find(' ');
  CLI::App* app = nullptr;
  if (space == std::string::npos) {
    app = impl_->groups.contains(path) ? impl_->groups[path] : impl_->Group(path);
    app->description(help);
  } else {
    CLI::App* group = impl_->Group(path.substr(0, space));
    app = group->add_subcommand(path.substr(space + 1), help);
    app->fallthrough();
  }
  impl_->verbs.push_back(std::make_unique<VerbOverCli11>(app, impl_->bare_flags));
  return *impl_->verbs.back();
}

void CommandLine::GlobalOption(const std::string& flags, std::string& target,
                               const std::string& help) {
  impl_->app.add_option(flags, target, help);
}

void CommandLine::GlobalFlag(const std::string& flags, bool& target, const std::string& help) {
  impl_->app.add_flag(flags, target, help);
}

void CommandLine::GlobalChoice(const std::string& flags, std::string& target,
                               const std::vector<std::string>& words) {
  std::string help;
  for (const std::string& word : words) help += (help.empty() ? "" : " or ") + word;
  const auto one_of = [words, help](const std::string& given) {
    const bool known = std::find(words.begin(), words.end(), given) != words.end();
    return known ? std::string() : "\"" + given + "\" is not " + help;
  };
  impl_->app.add_option(flags, target, help)->check(one_of, "");
}

void CommandLine::Version(const std::string& text) {
  impl_->app.set_version_flag("--version", text, "print the release");
}

void CommandLine::Group(const std::string& group, const std::string& help,
                        const std::string& alias) {
  CLI::App* app = impl_->Group(group);
  app->description(help);
  if (!alias.empty()) app->alias(alias);
}

int CommandLine::Run(int argc, char** argv) {
  const std::string unknown = impl_->UnknownWord(argc, argv);
  if (!unknown.empty()) {
    std::cerr << "nightmill: there is no command \"" << unknown << "\"\n"
              << "  next: " << impl_->app.get_name() << " --help lists them\n";
    return 2;
  }
  try {
    std::vector<std::string> words;  // last first, as CLI11 takes them
    for (int i = argc - 1; i > 0; --i) {
      const std::string word = argv[i];
      if (!impl_->bare_flags.contains(word)) {
        words.push_back(word);
      } else if (!words.empty() && ParseDuration(words.back()).ok()) {
        words.back() = word + "=" + words.back();
      } else {
        words.push_back(word + "=" + kBare);
      }
    }
    impl_->app.parse(std::move(words));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return impl_->app.exit(error);
    const std::string duration = impl_->BadDuration(argc, argv, error.what());
    if (!duration.empty()) {
      std::cerr << "nightmill: " << duration << '\n';
      return 2;
    }
    std::string verb = impl_->app.get_name();
    for (const CLI::App* at = &impl_->app; !at->get_subcommands().empty();) {
      at = at->get_subcommands().front();
      verb += " " + at->get_name();
    }
    std::cerr << "nightmill: " << error.what() << "\n  next: " << verb << " --help\n";
    return 2;
  }
  // The deepest verb that was named; a group alone prints its help.
  for (const auto& verb : impl_->verbs) {
    if (!verb->app()->parsed() || !verb->app()->get_subcommands().empty()) continue;
    return verb->Run();
  }
  for (const auto& [name, group] : impl_->groups) {
    if (group->parsed()) {
      std::cout << group->help();
      return 2;
    }
  }
  std::cout << impl_->app.help();
  return 2;
}

}  // namespace nightmill
