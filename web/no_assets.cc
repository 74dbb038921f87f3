#include "web/assets.h"

namespace nightmill {

std::span<const WebAsset> WebAssets() { return {}; }

}  // namespace nightmill
