# Two commands: `make demo` and `make test`. The work is in tools/*.sh and in the nightmill binary.
DEMO ?=
STATE := .demo
NIGHTMILL := build/release/nightmill
# A first build leaves the tests out (they need GoogleTest); one made by `make test` keeps them.
WITHOUT_TESTS := $(if $(wildcard build/release/CMakeCache.txt),,-DNIGHTMILL_TESTS=OFF)

.PHONY: demo demo-stop demo-clean setup release test dev tsan bench

# Shows the main job on real data and leaves the daemon running; DEMO=once stops it at the end.
demo: release
	@$(NIGHTMILL) demo --state-dir $(STATE) $(if $(filter once,$(DEMO)),--once)

# Exit code 8 is "no server there": stopped already.
demo-stop:
	@test ! -f $(STATE)/server.json || \
	  $(NIGHTMILL) server stop --cancel --state-dir $(STATE) || test $$? = 8

demo-clean: demo-stop
	@rm -rf $(STATE)

# Packages and the pinned Arrow only.
setup:
	@tools/bootstrap.sh build

release: setup
	@tools/build.sh release $(WITHOUT_TESTS) -- nightmill nightmill-worker

test:
	@tools/run_tests.sh

# The rooms that promise to hold under ASan and UBSan; part of `make test`.
dev:
	@tools/run_tests.sh dev

tsan:
	@tools/run_tests.sh tsan

bench:
	@tools/bootstrap.sh bench
	@tools/build.sh release $(WITHOUT_TESTS) -- nightmill nightmill-worker
	@build/venv-bench/bin/python bench/run.py
