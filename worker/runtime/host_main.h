// The inside of an operator host (`nightmill-worker --operator-host`): reads one HostRun at a time
// from descriptor 3, runs the operator of that type and answers HostDone. Two threads: this one
// listens (cancel, leave to publish, end of the worker) and sends progress, the other runs
// operators. Whatever an operator writes to stdout or stderr goes to the attempt's log.
#pragma once

namespace nightmill {

// The descriptor of the socket to the worker (SpawnRequest::extra_fd).
inline constexpr int kHostSocket = 3;

// Returns when the worker closes the socket while no operator runs; leaves by _exit otherwise.
int RunOperatorHost(int socket = kHostSocket);

}  // namespace nightmill
