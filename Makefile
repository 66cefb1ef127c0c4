# What a person types; CI types the same.
CARGO ?= cargo

# Programs whose output the tests compare with our own, and the reference plugins: Debian's names.
OBSERVERS = iproute2 nftables busybox-static containernetworking-plugins iptables

.PHONY: help conformance test build observers lint deny bench docs install kind-image

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

build: ## Build every program
	$(CARGO) build --release --bins

conformance: build ## Boot a three-node lab, deploy nine pods, check every promise
	$(CARGO) run --quiet --release --bin flatnet -- test $(ARGS)

test: observers ## Run every test
	$(CARGO) test --workspace --no-fail-fast

observers: ## Install the programs tests observe with, where that is possible (root, apt), else name them
	@./scripts/observers $(OBSERVERS)

lint: ## Format and clippy, warnings denied
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

deny: ## Licences, sources and banned crates (needs cargo-deny)
	$(CARGO) deny --log-level error check bans licenses sources

bench: build ## Measure against the reference plugins, side by side; prints ratios
	$(CARGO) bench --bench datapath

docs: ## Regenerate the documents that come from code
	FLATNET_REGENERATE=1 $(CARGO) test --quiet --package flatnet --lib catalogue

install: ## Install flatnet and its parts into cargo's bin folder
	$(CARGO) install --path harness --locked

kind-image: ## Make a kind node image, and an engine to run it, where no container registry is in reach (Debian, root)
	@./scripts/kind-image
