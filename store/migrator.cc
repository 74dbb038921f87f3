#include "store/migrator.h"

#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

#include "core/base/hash.h"
#include "store/embedded_migrations.h"

namespace nightmill {
namespace {

constexpr std::int64_t kApplicationId = 0x4E4D494C;  // "NMIL", set by 0001_init.sql

Error NotSupported(std::string message, std::string hint) {
  return {ErrorCode::kNotSupported, std::move(message), std::move(hint)};
}

Result<std::int64_t> ReadNumber(Connection& db, std::string_view sql) {
  Statement statement = db.Prepare(sql);
  NM_ASSIGN_OR_RETURN(const bool found, statement.Step());
  CHECK(found);
  return statement.row().Integer(0);
}

struct Applied {
  std::int64_t version = 0;
  std::string name;
  std::string checksum;
  std::string release;
};

Result<std::vector<Applied>> ReadApplied(Connection& db) {
  static constexpr std::string_view kSql =
      "SELECT version, name, checksum, release FROM schema_migration ORDER BY version";
  std::vector<Applied> applied;
  Statement statement = db.Prepare(kSql);
  while (true) {
    NM_ASSIGN_OR_RETURN(const bool more, statement.Step());
    if (!more) return applied;
    const Row row = statement.row();
    applied.push_back({row.Integer(0), std::string(row.Text(1)), std::string(row.Text(2)),
                       std::string(row.Text(3))});
  }
}

// How many of `migrations` the database already has.
Result<std::size_t> CountApplied(Connection& db, std::span<const Migration> migrations) {
  NM_ASSIGN_OR_RETURN(const std::int64_t application, ReadNumber(db, "PRAGMA application_id"));
  NM_ASSIGN_OR_RETURN(const std::int64_t tables,
                      ReadNumber(db, "SELECT count(*) FROM sqlite_schema"));
  if (application == 0 && tables == 0) return std::size_t{0};
  if (application != kApplicationId) {
    return NotSupported("the database belongs to another program",
                        "choose another state directory");
  }
  NM_ASSIGN_OR_RETURN(const std::vector<Applied> applied, ReadApplied(db));
  NM_ASSIGN_OR_RETURN(const std::int64_t version, ReadNumber(db, "PRAGMA user_version"));
  if (applied.size() > migrations.size()) {
    return NotSupported("the database has schema " + std::to_string(version) +
                            ", this program knows up to " + std::to_string(migrations.size()),
                        "it needs release " + applied.back().release + " or newer");
  }
  for (std::size_t i = 0; i < applied.size(); ++i) {
    if (applied[i].version != migrations[i].version || applied[i].name != migrations[i].name ||
        applied[i].checksum != Sha256Hex(migrations[i].sql)) {
      return NotSupported(
          "migration " + applied[i].name + " of the database is not the one of this program",
          "use the program that made the database (release " + applied[i].release +
              ") or restore a backup");
    }
  }
  if (version != static_cast<std::int64_t>(applied.size())) {
    return NotSupported("the database says schema " + std::to_string(version) + " but lists " +
                            std::to_string(applied.size()) + " migrations",
                        "restore a backup");
  }
  return applied.size();
}

Status Apply(Connection& db, const Migration& migration, std::string_view release) {
  static constexpr std::string_view kInsert =
      "INSERT INTO schema_migration (version, name, checksum, release) VALUES (?, ?, ?, ?)";
  NM_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(db, Transaction::Mode::kWrite));
  NM_RETURN_IF_ERROR(
      db.Execute("CREATE TABLE IF NOT EXISTS schema_migration ("
                 "version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL,"
                 " release TEXT NOT NULL) STRICT"));
  NM_RETURN_IF_ERROR(db.Execute(std::string(migration.sql).c_str()));
  const std::string checksum = Sha256Hex(migration.sql);
  NM_RETURN_IF_ERROR(
      db.Prepare(kInsert).Bind(migration.version, migration.name, checksum, release).Run());
  NM_ASSIGN_OR_RETURN(const std::int64_t version, ReadNumber(db, "PRAGMA user_version"));
  CHECK_MSG(version == migration.version, migration.name);
  return transaction.Commit();
}

}  // namespace

std::vector<Migration> EmbeddedMigrations() {
  std::vector<Migration> migrations;
  for (const auto& [name, sql] : embedded::migrations()) {
    Migration migration{0, name, sql};
    std::from_chars(name.data(), name.data() + name.size(), migration.version);
    migrations.push_back(migration);
    CHECK_MSG(migration.version == static_cast<int>(migrations.size()), name);
  }
  return migrations;
}

Status Migrate(Connection& db, std::span<const Migration> migrations, std::string_view release) {
  NM_ASSIGN_OR_RETURN(const std::size_t applied, CountApplied(db, migrations));
  for (const Migration& migration : migrations.subspan(applied)) {
    NM_RETURN_IF_ERROR(Apply(db, migration, release));
  }
  return Ok();
}

}  // namespace nightmill
