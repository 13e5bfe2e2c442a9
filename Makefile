# Each target does all set-up that it needs: the virtual environment .venv and the Debian packages of
# tools/packages.txt. PYTHON=/path/to/python chooses the interpreter.
.DEFAULT_GOAL := help
.PHONY: help demo test test-all bench lock setup clean

# Tests that measure traffic: one after the other, so that none disturbs another. All others run two at a time.
MEASURING = tests/drivers/traffic tests/embedded/test_devices.py tests/embedded/test_faults.py \
	tests/embedded/test_ordinary_user.py tests/e2e tests/suites tests/faults
# Of these, those that spend their time waiting for a cloud: two files at a time, the longest first.
CLOUDS = tests/faults/clouds tests/suites/test_second_cloud.py

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s  %s\n", $$1, $$2 }' Makefile

demo: setup ## certify the embedded lab opco-ru; the report is in reports/latest/
	.venv/bin/pytest -m network --lab=opco-ru

test: ## check format, style and types, and run the tests, but for the longest
test: ONLY = -m "not long"
test-all: ## check format, style and types, and run all tests
test test-all:
	@tools/setup --for-tests
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/python -m pytest -p no:nfvcert --rerun-show-tracebacks $(ONLY) -n 2 tests $(MEASURING:%=--ignore=%)
	.venv/bin/python -m pytest -p no:nfvcert --rerun-show-tracebacks $(ONLY) -n 2 --dist loadfile $(CLOUDS)
	.venv/bin/python -m pytest -p no:nfvcert --rerun-show-tracebacks $(ONLY) $(MEASURING) $(CLOUDS:%=--ignore=%)

bench: setup ## measure what must be fast; writes benchmarks/results.json
	.venv/bin/python -m benchmarks

setup: ## set up only
	@tools/setup

# The project's own requirements and those of set-up in one; what still fits keeps its version
# (`make lock UPGRADE=--upgrade` takes the newest of everything).
lock: ## renew requirements.lock after a change of pyproject.toml
	@test -x .venv/bin/uv || tools/setup
	.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --all-extras --generate-hashes \
		--no-emit-index-url --custom-compile-command "make lock" $(UPGRADE) \
		pyproject.toml tools/bootstrap.in --output-file requirements.lock
	.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command "make lock" $(UPGRADE) \
		nfvcert/embedded/cloud/openstack.in --output-file nfvcert/embedded/cloud/openstack.lock
	@for engine in tempest rally; do .venv/bin/uv pip compile --quiet --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --custom-compile-command "make lock" $(UPGRADE) \
		nfvcert/engines/$$engine.in --output-file nfvcert/engines/$$engine.lock || exit 1; done
	@if grep -nE '://|find-links' requirements.lock nfvcert/embedded/cloud/openstack.lock nfvcert/engines/*.lock; then echo "a place of this machine is in the lock" >&2; exit 1; fi
	@tools/setup

clean: ## remove .venv and caches; reports stay
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
