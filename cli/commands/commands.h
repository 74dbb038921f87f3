// The verbs by group; each function adds its verbs to the command line.
#pragma once

#include "cli/cli.h"

namespace nightmill {

void AddServerVerbs(CommandLine& line, Cli& cli);    // server, server stop, health, version, demo
void AddDagVerbs(CommandLine& line, Cli& cli);       // init, dag *
void AddDagTestVerb(CommandLine& line, Cli& cli);    // dag test
void AddRunVerbs(CommandLine& line, Cli& cli);       // run *
void AddTaskVerbs(CommandLine& line, Cli& cli);      // task *, pool *
void AddBackfillVerbs(CommandLine& line, Cli& cli);  // backfill *
void AddAlertVerbs(CommandLine& line, Cli& cli);     // alert *, sla *
void AddDemoVerb(CommandLine& line, Cli& cli);       // demo
void AddWorkerVerbs(CommandLine& line, Cli& cli);    // op *, table *: exec nightmill-worker
void AddScheduleVerbs(CommandLine& line, Cli& cli);  // schedule next, explain, schema

}  // namespace nightmill
