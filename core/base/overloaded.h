// One call operator out of several lambdas, for std::visit:
//   std::visit(Overloaded{[](int) {...}, [](const std::string&) {...}}, variant);
#pragma once

namespace nightmill {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

}  // namespace nightmill
