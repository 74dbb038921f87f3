#include "core/dagfile/dag_json.h"

#include <utility>

#include "core/base/json.h"
#include "core/dagfile/draft.h"
#include "core/dagfile/schema_words.h"

namespace nightmill {

DagFileResult LoadDag(std::string_view text, const OperatorCatalog& catalog,
                      const DagFileOptions& options) {
  dagfile::Draft draft(text, catalog, options);
  std::vector<dagfile::TextFault> faults;
  const bool complete = dagfile::ReadJson(text, true, draft.doc, faults);
  for (const dagfile::TextFault& fault : faults) draft.out.Add(fault);
  if (complete && !draft.doc.is_object()) {
    draft.out.Error("NM203", "",
                    std::string("a DAG file holds an object, not ") +
                        std::string(dagfile::TypeName(draft.doc)));
  } else if (complete) {
    dagfile::BuildDagFields(draft);
    dagfile::BuildTasks(draft);
    dagfile::CheckMeaning(draft);
  }
  DagFileResult result;
  const bool failed = draft.out.has_errors();
  result.diagnostics = draft.out.Finish();
  if (failed) return result;
  draft.dag.source = text;
  draft.dag.fileloc = options.fileloc;
  result.dag = std::make_shared<const Dag>(std::move(draft.dag));
  return result;
}

}  // namespace nightmill
