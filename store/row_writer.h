// The one statement that writes each kind of row. Engine rows are upserts by primary key: columns
// that never change after the first write are left out of the update, so their indexes stay as they
// are. To be called inside a write transaction.
#pragma once

#include "core/base/result.h"
#include "core/model/change.h"
#include "store/rows.h"
#include "store/sqlite.h"

namespace nightmill {

Status WriteRow(Connection& db, const Change& change);

// Gives the row its id and its hash.
Status WriteRow(Connection& db, const AuditRow& row);
Status WriteRow(Connection& db, const IdempotencyRow& row);
Status WriteRow(Connection& db, const TokenRow& row);
// An upsert, as for engine rows.
Status WriteRow(Connection& db, const DeliveryRow& row);
Status WriteRow(Connection& db, const ClockRow& row);

}  // namespace nightmill
