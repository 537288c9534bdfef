# Two commands are all that a fresh Debian 12 needs: `make demo` and `make test`. Both install what is missing first.
.DEFAULT_GOAL := help
.PHONY: help setup test-tools man micro micro-check viewer demo examples test test-unit test-whole test-slow check fmt bench chaos checkpoints power-cuts consensus fuzz compile npm node-library clean
# Not called DENO: that is the user's variable for `make compile`, and one of this file would override it in the recipes.
OUR_DENO := node_modules/.bin/deno

help: ## prints this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: ## installs what is missing: Debian's packages (with root), npm's packages
	@scripts/setup

micro: setup ## builds the micro image into build/micro
	@images/micro/build build/micro

demo: micro ## boots three machines on one network and shows that they are there
	@demo/run

examples: micro ## runs the tests in examples/ as a user of the library would
	@$(OUR_DENO) test -A examples

test-tools: setup
	@scripts/setup --tests

test: check micro test-tools ## runs every test: units, the whole program against a fake QEMU and against real QEMU
	@scripts/test all

test-unit: setup ## runs the unit tests alone: under a minute
	@scripts/test unit

test-whole: micro test-tools ## runs the whole-program tests alone
	@scripts/test whole

test-slow: micro test-tools ## runs more tests of real machines, of which `make test` has the short form: SLOW="--jobs 1"
	@scripts/test slow $(SLOW)

check: setup ## checks format, lint, types, import arrows, shell scripts
	@scripts/check

fmt: setup ## formats the source
	@$(OUR_DENO) fmt --quiet

bench: micro ## measures, each against its bare counterpart in the same run
	@$(OUR_DENO) run -A --quiet tests/bench/main.ts $(BENCH)

chaos: micro ## makes random kills and checks the invariants, and what must not grow: CHAOS="--only real --real-kills 60 --seed N"
	@$(OUR_DENO) run -A --quiet --no-check tests/chaos/main.ts $(CHAOS)

micro-check: micro ## boots the micro image and checks all that it promises; `make test` does the half of it
	@images/micro/check build/micro

checkpoints: micro ## saves and forks a group under load, and looks for what does not fit; random numbers of forks: CHECKPOINTS="--only group --count 200 --seed N"
	@$(OUR_DENO) run -A --quiet --no-check tests/checkpoints/main.ts $(CHECKPOINTS)

power-cuts: micro ## cuts a guest's power and looks for what it had flushed: POWER_CUTS="--writer sqlite --count 200"
	@$(OUR_DENO) run -A --quiet --no-check tests/power_cuts/main.ts $(POWER_CUTS)

consensus: micro ## etcd, and a system that loses writes, under faults: CONSENSUS="--system etcd --seconds 300 --seed N"
	@$(OUR_DENO) run -A --quiet --no-check tests/consensus/main.ts $(CONSENSUS)

fuzz: setup ## gives a million hostile inputs to every reader: FUZZ="--cases 1100000 --seed N"
	@$(OUR_DENO) run -A --quiet --no-check tests/fuzz/main.ts $(FUZZ)

compile: micro ## makes dist/fleetbox, one executable that needs only QEMU and ssh; DENO= and DENORT_BIN= name the compiler
	@$(OUR_DENO) run -A --quiet scripts/compile.ts $(COMPILE)

npm: setup ## makes the library for Node, a package in build/npm
	@$(OUR_DENO) run -A --quiet --no-check scripts/npm.ts $(NPM)

node-library: micro ## runs the library's own tests on Node, all that can: NODE_LIBRARY="machine_test.ts"
	@$(OUR_DENO) run -A --quiet --no-check tests/node/library.ts $(NODE_LIBRARY)

viewer: setup ## builds the page of fleetbox trace show, into build/viewer
	@$(OUR_DENO) run -A --quiet --no-check scripts/viewer.ts

man: setup ## writes build/man/fleetbox.1, from the texts of `fleetbox help`
	@mkdir -p build/man
	@bin/fleetbox help --man >build/man/fleetbox.1
	@echo build/man/fleetbox.1

clean: ## removes what was built here; never a store
	rm -rf build dist
