// Equality of rows over every field; a field added to a row stops this from compiling.
#pragma once

#include <tuple>

#include "core/model/change.h"
#include "store/rows.h"

namespace nightmill {

inline auto Tie(const DagRow& r) {
  const auto& [a, b, c, d, e, f, g, h, i] = r;
  return std::tie(a, b, c, d, e, f, g, h, i);
}
inline auto Tie(const DagVersionRow& r) {
  const auto& [a, b, c, d, e] = r;
  return std::tie(a, b, c, d, e);
}
inline auto Tie(const DagRunRow& r) {
  const auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, s, t, u, v] = r;
  return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, s, t, u, v);
}
inline auto Tie(const TaskInstanceRow& r) {
  const auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, s, t, u, v, w, x, y] = r;
  return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, s, t, u, v, w, x, y);
}
inline auto Tie(const TaskAttemptRow& r) {
  const auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, usage, q] = r;
  const auto& [cpu, rss, in, out] = usage;
  return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, cpu, rss, in, out, q);
}
inline auto Tie(const AttemptTargetRow& r) {
  const auto& [a, b] = r;
  return std::tie(a, b);
}
inline auto Tie(const PoolRow& r) {
  const auto& [a, b, c, d] = r;
  return std::tie(a, b, c, d);
}
inline auto Tie(const BackfillRow& r) {
  const auto& [a, b, c, d, e, f, g, h, i, j, k, l] = r;
  return std::tie(a, b, c, d, e, f, g, h, i, j, k, l);
}
inline auto Tie(const BackfillSlotRow& r) {
  const auto& [a, b, c, d, e, f, g, h, i] = r;
  return std::tie(a, b, c, d, e, f, g, h, i);
}
inline auto Tie(const SlotRow& r) {
  const auto& [a, b, c, d] = r;
  return std::tie(a, b, c, d);
}
inline auto Tie(const EventRow& r) {
  const auto& [a, b, c, d, e, f, g, h, i] = r;
  return std::tie(a, b, c, d, e, f, g, h, i);
}
inline auto Tie(const AlertRow& r) {
  const auto& [a, b, c, d, e, f, g, h, i, j] = r;
  return std::tie(a, b, c, d, e, f, g, h, i, j);
}
inline auto Tie(const DeliveryRow& r) {
  const auto& [a, b, c, d, e, f, g, h, i] = r;
  return std::tie(a, b, c, d, e, f, g, h, i);
}
inline auto Tie(const SlaRow& r) {
  const auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o] = r;
  return std::tie(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o);
}
inline auto Tie(const SlaMissRow& r) {
  const auto& [a, b, c, d, e, f, g, h] = r;
  return std::tie(a, b, c, d, e, f, g, h);
}
inline auto Tie(const AuditRow& r) {
  const auto& [a, b, c, d, e, f, g, h, i, j, k] = r;
  return std::tie(a, b, c, d, e, f, g, h, i, j, k);
}
inline auto Tie(const IdempotencyRow& r) {
  const auto& [a, b, c, d, e, f, g, h] = r;
  return std::tie(a, b, c, d, e, f, g, h);
}
inline auto Tie(const TokenRow& r) {
  const auto& [a, b, c, d, e, f] = r;
  return std::tie(a, b, c, d, e, f);
}

template <class R>
bool Same(const R& a, const R& b) {
  return Tie(a) == Tie(b);
}

}  // namespace nightmill
