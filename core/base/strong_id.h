// Numeric ids that cannot be swapped: StrongId<struct RunTag> and StrongId<struct AttemptTag> are
// different types. 0 is "none"; the store gives ids from 1. Ordered, hashable, free of arithmetic.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace nightmill {

template <class Tag>
struct StrongId {
  std::int64_t value = 0;

  constexpr StrongId() = default;
  constexpr explicit StrongId(std::int64_t v) : value(v) {}

  constexpr bool valid() const { return value != 0; }
  constexpr auto operator<=>(const StrongId&) const = default;
};

using RunKey = StrongId<struct RunTag>;           // row id of a dag run
using AttemptId = StrongId<struct AttemptTag>;    // row id of a task attempt
using BackfillId = StrongId<struct BackfillTag>;  // row id of a backfill
using Epoch = StrongId<struct EpochTag>;          // start counter of the daemon
using RequestId = StrongId<struct RequestTag>;    // one API request waiting for its reply
using EventId = StrongId<struct EventTag>;        // row id in the append-only event table

}  // namespace nightmill

template <class Tag>
struct std::hash<nightmill::StrongId<Tag>> {
  std::size_t operator()(nightmill::StrongId<Tag> id) const noexcept {
    return std::hash<std::int64_t>{}(id.value);
  }
};
