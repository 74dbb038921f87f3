// InspectTemplate: what can be said of a template without rendering it.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "core/base/limits.h"
#include "core/template/ast.h"
#include "core/template/calls.h"
#include "core/template/names.h"
#include "core/template/syntax.h"
#include "core/template/template.h"

namespace nightmill {
namespace tmpl {
namespace {

// Checks names and collects facts. A fault ends the look at its own path of names only.
class Inspector {
 public:
  Inspector(const Template& source, TemplateFacts* facts, std::vector<Fault>* faults)
      : source_(source), facts_(facts), faults_(faults) {}

  void Visit(const Node& node) {
    if (faults_->size() >= limits::kMaxReportedErrors) return;
    switch (node.kind) {
      case NodeKind::kName:
        VisitName(node, /*as_owner=*/false);
        return;
      case NodeKind::kMember:
      case NodeKind::kIndex:
        VisitMember(node, /*as_owner=*/false);
        return;
      case NodeKind::kCall:
        VisitCall(node);
        return;
      case NodeKind::kFilter:
        Check(BindArguments(FindFilter(node.name)->signature, node.keywords), node);
        break;
      default:
        break;
    }
    VisitKids(node, 0);
  }

 private:
  template <class R>
  bool Check(const R& result, const Node& node) {
    return result.ok() || Add(node, result.error());
  }
  bool Fail(const Node& node, std::string message, std::string hint) {
    return Add(node, Invalid(std::move(message), std::move(hint)));
  }
  // For its callers, which then return false.
  bool Add(const Node& node, const Error& error) {
    faults_->push_back({node.begin, source_.Located(error, node.begin)});
    return false;
  }

  void VisitKids(const Node& node, std::size_t first) {
    for (std::size_t i = first; i < node.kids.size(); ++i) Visit(*node.kids[i]);
  }

  // `as_owner`: a member of it is named, so that a namespace is allowed.
  bool VisitName(const Node& node, bool as_owner) {
    const RootName* root = FindRoot(node.name);
    if (!root) {
      return Fail(node, fmt::format("\"{}\" is not defined", node.name),
                  DidYouMean(node.name, KnownRoots()));
    }
    facts_->roots.insert(node.name);
    switch (root->kind) {
      case RootKind::kUnavailable:
        return Fail(node, fmt::format("\"{}\" is not defined", node.name), std::string(root->note));
      case RootKind::kOld:
        facts_->warnings.push_back(
            fmt::format("\"{}\" is an old name: write {{{{ {} }}}}", node.name, root->note));
        return true;
      case RootKind::kNamespace:
      case RootKind::kFunction:
        if (as_owner) return true;
        return Fail(node, fmt::format("{} is not a value", node.name), "name one of its members");
      case RootKind::kValue:
        break;
    }
    return true;
  }

  bool VisitOwner(const Node& node) {
    if (node.kind == NodeKind::kName) return VisitName(node, /*as_owner=*/true);
    if (!NamespaceOf(node).empty()) return VisitMember(node, /*as_owner=*/true);
    Visit(node);
    return true;
  }

  // Notes edges (outputs.x) and params, and checks the members of closed namespaces.
  bool VisitMember(const Node& node, bool as_owner) {
    const Node& owner_node = *node.kids[0];
    const std::string owner = NamespaceOf(owner_node);
    const std::string* member = FixedMember(node);
    const bool owner_holds = VisitOwner(owner_node);
    if (!member) {
      if (!owner.empty() && owner_holds) {
        return Fail(node, fmt::format("{} needs a fixed name", owner),
                    "the graph must be known before the run");
      }
      Visit(*node.kids.back());
      return owner_holds;
    }
    if (!owner_holds) return false;
    if (owner == "outputs") facts_->outputs.insert(*member);
    if (owner_node.kind == NodeKind::kName && owner_node.name == "params") {
      facts_->params.insert(*member);
    }
    if (owner.empty() || !HasClosedMembers(owner)) return true;
    if (!FindMember(owner, *member)) {
      const auto members = MembersOf(owner);
      std::string hint = DidYouMean(*member, members);
      if (hint.empty()) hint = fmt::format("{} has: {}", owner, fmt::join(members, ", "));
      return Fail(node, fmt::format("{} has no member \"{}\"", owner, *member), std::move(hint));
    }
    if (!as_owner && (owner == "macros" || owner == "var")) {
      return Fail(
          node, fmt::format("{}.{} is not a value", owner, *member),
          owner == "macros" ? fmt::format("call it: macros.{}(...)", *member) : "name a variable");
    }
    return true;
  }

  // Name and arguments are checked by the same rows that rendering uses.
  void VisitCall(const Node& node) {
    const Node& callee = *node.kids[0];
    const Callee what = ClassifyCallee(callee);
    if (!Check(CheckCallee(callee, what), callee)) return VisitKids(node, 1);
    switch (what.kind) {
      case CalleeKind::kSecret:
        facts_->roots.insert("secret");
        if (node.kids.size() != 2 || node.kids[1]->kind != NodeKind::kConst ||
            !node.kids[1]->value.As<std::string>()) {
          Fail(node, "secret takes one fixed name", "secret('database_password')");
        }
        return;
      case CalleeKind::kMacro:
        facts_->roots.insert("macros");
        Check(BindArguments(FindMacro(what.name)->signature, node.keywords), node);
        break;
      default:
        Check(BindArguments(FindMethod(what.name)->signature, node.keywords), node);
        Visit(*callee.kids[0]);
        break;
    }
    VisitKids(node, 1);
  }

  const Template& source_;
  TemplateFacts* facts_;
  std::vector<Fault>* faults_;
};

// Where the text of an expression comes from, as far as a shell line is concerned.
enum class Origin : std::uint8_t {
  kOurs,     // written in the template, or a date, id or number of the engine
  kQuoted,   // ended by | q
  kForeign,  // may hold anything
};

// Judges the text that an expression prints; what only decides (conditions, tests, comparisons)
// does not count.
class OriginFinder {
 public:
  explicit OriginFinder(const Template& source) : source_(source) {}

  Origin Of(const Node& node) {
    switch (node.kind) {
      case NodeKind::kConst:
      case NodeKind::kTest:
      case NodeKind::kCompare:
      case NodeKind::kNot:
      case NodeKind::kUnary:
        return Origin::kOurs;
      case NodeKind::kName: {
        const RootName* root = FindRoot(node.name);
        return root && root->engine_made ? Origin::kOurs : Foreign(node);
      }
      case NodeKind::kMember:
      case NodeKind::kIndex:
        return OfMember(node);
      case NodeKind::kSlice:
        return Changed(node, 0, 1);
      case NodeKind::kFilter:
        return OfFilter(node);
      case NodeKind::kCall:
        return OfCall(node);
      case NodeKind::kBinary:
        return OfBinary(node);
      case NodeKind::kCond: {
        const Origin first = Of(*node.kids[0]);
        return node.kids.size() < 3 ? first : std::max(first, Of(*node.kids[2]));
      }
      case NodeKind::kConcat:
      case NodeKind::kAnd:
      case NodeKind::kOr:
        return Combined(node);
      case NodeKind::kList:
      case NodeKind::kDict:
        break;
    }
    return Changed(node, 0, node.kids.size());
  }

  const std::string& first_foreign() const { return name_; }

 private:
  Origin Foreign(const Node& node) {
    if (name_.empty()) name_ = source_.source.substr(node.begin, node.end - node.begin);
    return Origin::kForeign;
  }

  // Kids side by side: quoted words stay quoted.
  Origin Combined(const Node& node) {
    Origin origin = Origin::kOurs;
    for (const NodePtr& kid : node.kids) origin = std::max(origin, Of(*kid));
    return origin;
  }

  // Kids changed by the node: a quoted word may lose its quotes.
  Origin Changed(const Node& node, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const Origin origin = Of(*node.kids[i]);
      if (origin == Origin::kQuoted) return Foreign(*node.kids[i]);
      if (origin == Origin::kForeign) return origin;
    }
    return Origin::kOurs;
  }

  Origin OfMember(const Node& node) {
    const std::string owner = NamespaceOf(*node.kids[0]);
    if (owner.empty()) {
      // Name the whole path: params.table, not params.
      const Origin origin = Changed(node, 0, 1);
      if (origin == Origin::kForeign && name_.size() < node.end - node.begin &&
          source_.source.compare(node.begin, name_.size(), name_) == 0) {
        name_ = source_.source.substr(node.begin, node.end - node.begin);
      }
      return origin;
    }
    const std::string* member = FixedMember(node);
    const MemberName* row = member ? FindMember(owner, *member) : nullptr;
    return row && row->engine_made ? Origin::kOurs : Foreign(node);
  }

  // Numbers cannot carry shell syntax.
  Origin OfFilter(const Node& node) {
    if (node.name == "q") return Origin::kQuoted;
    const bool number =
        node.name == "int" || node.name == "float" || node.name == "length" || node.name == "round";
    return Changed(node, number ? 1 : 0, node.kids.size());
  }

  Origin OfCall(const Node& node) {
    const Callee what = ClassifyCallee(*node.kids[0]);
    if (what.kind == CalleeKind::kMacro) return Changed(node, 1, node.kids.size());
    if (what.kind != CalleeKind::kMethod) return Foreign(node);
    const Origin self = Of(*node.kids[0]->kids[0]);
    if (self == Origin::kOurs) return Changed(node, 1, node.kids.size());
    return self == Origin::kQuoted ? Foreign(node) : self;
  }

  // Of texts there are only + and *; the other operators give numbers and dates.
  Origin OfBinary(const Node& node) {
    const Op op = node.ops[0];
    return op == Op::kAdd || op == Op::kMul ? Combined(node) : Origin::kOurs;
  }

  const Template& source_;
  std::string name_;
};

}  // namespace
}  // namespace tmpl

Result<TemplateFacts> InspectTemplate(std::string_view text) {
  std::vector<Error> faults;
  TemplateFacts facts = InspectTemplate(text, &faults);
  if (!faults.empty()) return std::move(faults.front());
  return facts;
}

TemplateFacts InspectTemplate(std::string_view text, std::vector<Error>* faults) {
  TemplateFacts facts;
  if (!IsTemplate(text)) return facts;
  std::vector<tmpl::Fault> found;
  const tmpl::Template parsed = tmpl::ParseTemplate(text, &found);
  tmpl::Inspector inspector(parsed, &facts, &found);
  for (const tmpl::Segment& segment : parsed.segments) {
    if (!segment.expression) continue;
    facts.has_expressions = true;
    const std::size_t before = found.size();
    inspector.Visit(*segment.expression);
    if (found.size() > before) continue;
    tmpl::OriginFinder finder(parsed);
    if (finder.Of(*segment.expression) == tmpl::Origin::kForeign && !facts.raw) {
      facts.raw = true;
      facts.raw_name = finder.first_foreign();
    }
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const tmpl::Fault& a, const tmpl::Fault& b) { return a.offset < b.offset; });
  for (tmpl::Fault& fault : found) faults->push_back(std::move(fault.error));
  return facts;
}

}  // namespace nightmill
