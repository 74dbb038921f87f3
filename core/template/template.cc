#include "core/template/template.h"

namespace nightmill {

bool IsTemplate(std::string_view text) {
  return text.find("{{") != std::string_view::npos || text.find("{#") != std::string_view::npos;
}

}  // namespace nightmill
