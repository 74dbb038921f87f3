#include "operators/operator.h"

const nightmill::Operator* nightmill::FindOperator(std::string_view) { return nullptr; }
