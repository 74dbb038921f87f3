// Brings a database from any older schema to this program's, forward only. Each migration is one
// transaction with its row in table schema_migration and the number in PRAGMA user_version, so a
// killed migration leaves the old schema. What was applied must be what this program embeds, byte
// for byte (SHA-256): a schema nobody knows is never worked on.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "store/sqlite.h"

namespace nightmill {

// One file of migrations/: "0001_init.sql". Its SQL ends up with PRAGMA user_version = version.
struct Migration {
  int version = 0;  // from 1, without gaps
  std::string_view name;
  std::string_view sql;
};

// The migrations of this program, ascending.
std::vector<Migration> EmbeddedMigrations();

// kNotSupported: not a Nightmill database, one of a newer release (the message names it), or one
// whose applied migrations are not `migrations`. Writes nothing before all of that is known.
Status Migrate(Connection& db, std::span<const Migration> migrations, std::string_view release);

}  // namespace nightmill
