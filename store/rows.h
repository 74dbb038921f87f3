// Rows that the API and the sender of alerts add to a commit beside the engine's changes
// (core/model/change.h): who did it, what was answered, who may ask. They are written in the
// transaction of the effect, so an answer is never remembered without its deed nor a deed done
// without its audit row.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "core/base/strong_id.h"
#include "core/base/time.h"
#include "core/model/alert.h"

namespace nightmill {

using AuditId = StrongId<struct AuditTag>;

// One per mutation, refused ones too. Append-only; the store gives `id` (gapless) and `hash`, which
// chains each row to the one before it: changing, dropping or reordering rows breaks the chain.
struct AuditRow {  // key: id
  AuditId id;      // ignored when written
  Instant at;
  std::string principal;  // token id, "engine", or "" if the caller was unknown
  std::string source;     // where it came from: address, "unix", "cli"
  std::string action;     // "run.trigger", "backfill.cancel", ...
  std::string target;     // "dag/run/task", pool name, ...
  std::string before;     // digest of what was there, or ""
  std::string after;      // digest of what is there now, or ""
  std::string result;     // "ok" or the word of an ErrorCode
  std::string request_id;
  std::string hash;  // ignored when written: AuditHash(hash of the row before, this row)
};

// SHA-256 hex over the previous row's hash ("" for the first) and all fields but `hash`.
std::string AuditHash(std::string_view previous, const AuditRow& row);

// The answer to a request with an Idempotency-Key. Writing a known key is kConflict.
struct IdempotencyRow {  // key: (principal, key)
  std::string principal;
  std::string key;
  std::string route;      // "POST /api/v2/dags/{dag_id}/dagRuns"
  std::string body_hash;  // SHA-256 hex of the request body
  int status = 200;
  std::string answer;  // body as sent
  RunKey run;          // kept at least as long as this run; 0: none
  Instant created_at;
};

// An API token; only its hash is known here. Writing an existing id replaces the row (revocation).
struct TokenRow {    // key: id; unique hash
  std::string id;    // public name of the token, "cli", "ci-7"
  std::string hash;  // SHA-256 hex of the secret text
  std::string role;  // viewer, operator, author, admin
  Instant created_at;
  std::optional<Instant> expires_at;
  std::optional<Instant> revoked_at;
};

// DeliveryRow: what the sender of alerts knows of a delivery after a try.
// How the wall clock stood to the time since boot (reliability.md R6). One row in all.
struct ClockRow {
  std::string boot_id;  // of the boot it holds for
  Instant booted_at;    // wall time minus time since boot

  bool operator==(const ClockRow&) const = default;
};

using StoreRow = std::variant<AuditRow, IdempotencyRow, TokenRow, DeliveryRow, ClockRow>;

}  // namespace nightmill
