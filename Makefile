# The commands that people and CI run.
CARGO ?= cargo

# Tools whose output the tests compare with flatnet's, and the reference plugins, by their Debian packages.
OBSERVERS = iproute2 nftables busybox-static containernetworking-plugins iptables

# For the kind targets: the CNI, the node image (empty: kind's own), a running cluster to use, the directory of the report,
# image archives for the nodes. flatnet finds what `scripts/kind-engine` provides by itself.
CNI ?= flatnet
NODE_IMAGE ?=
CLUSTER ?=
NAME ?= flatnet
REPORT ?=
IMAGE_ARCHIVE ?=

comma := ,
empty :=
FLATNET = $(CARGO) run --quiet --bin flatnet --
KIND_OPTIONS = --provider kind --cni $(CNI) \
	$(if $(IMAGE_ARCHIVE),--image-archive $(subst $(empty) $(empty),$(comma),$(strip $(IMAGE_ARCHIVE)))) \
	$(if $(CLUSTER),--cluster $(CLUSTER) --change-cni,$(if $(NODE_IMAGE),--image $(NODE_IMAGE))) \
	$(if $(REPORT),--report $(REPORT))

# Suites that fit the cluster's CNI: the study notes and the packets that are followed with any, continuity, users and changes with flatnet's,
# the causes of `flatnet diagnose` with flannel.
KIND_SUITES = study_notes trace_kind $(if $(filter flatnet,$(CNI)),kind change_kind) $(if $(filter flannel,$(CNI)),diagnose_kind)

.PHONY: help conformance test build outside observers example lint deny layers bench docs screenshots generate install dist kind-image kind-up kind-down conformance-kind test-kind

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# Unoptimized: built in a quarter of the time, and `make test` goes on from there. `make install` and `make dist` optimize.
build: ## Build flatnet and the programs it puts into nodes and pods
	$(CARGO) build --bins

# Built separately: together with the others it would change the features of shared libraries and compile them again.
outside: build ## Build also the peer outside a kind cluster
	$(CARGO) build --package flatnet-outside

conformance: build ## Boot a three-node lab, deploy nine pods, check every promise
	$(FLATNET) test $(ARGS)

test: observers ## Run every test that needs no real cluster
	$(CARGO) test --no-fail-fast

# Both compile into one directory, from one list of versions: only flatnet's own crates are compiled again.
example: observers build ## Run the tests of examples/your-cni, a package outside the workspace
	cp Cargo.lock examples/your-cni/Cargo.lock
	CARGO_TARGET_DIR=$(or $(CARGO_TARGET_DIR),$(CURDIR)/target) $(CARGO) test --manifest-path examples/your-cni/Cargo.toml

observers: ## Install the tools that the tests need (as root, with apt), or name them
	@./scripts/observers $(OBSERVERS)

lint: ## Check format, and clippy with warnings denied
	$(CARGO) fmt --all --check
	$(CARGO) fmt --check --manifest-path examples/your-cni/Cargo.toml
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

deny: ## Check licences, sources and banned crates (needs cargo-deny)
	$(CARGO) deny --log-level error check bans licenses sources

layers: ## Find dependencies that the table of layers forbids, and cycles of modules
	$(CARGO) test --quiet --test layers

bench: ## Measure against the reference plugins, and print ratios
	$(CARGO) bench --profile dist --bench datapath

docs: ## Regenerate the documents that are derived from code
	FLATNET_REGENERATE=1 $(CARGO) test --quiet --package flatnet-model --package flatnet --lib current
	FLATNET_REGENERATE=1 $(CARGO) test --quiet --package flatnet --test network_model shows

screenshots: build ## Take the README's pictures of the report in a browser (Debian: chromium, pngquant)
	./scripts/screenshots $(FLATNET)

# A seed of its own for each call, where none is given.
generate: ## Plant random faults and check the laws that flatnet's verdicts obey: make generate FAULTS=300 SEED=7 [PAGE=1 writes docs/faults.md]
	FLATNET_FAULTS=$(or $(FAULTS),300) FLATNET_SEED=$(or $(SEED),$(shell date +%s)) $(if $(PAGE),FLATNET_REGENERATE=1) \
		$(CARGO) test --package flatnet --test generator -- faults --nocapture

install: ## Install flatnet and its programs into cargo's bin directory
	$(CARGO) install --path harness --locked --profile dist
	$(CARGO) install --path outside --locked --profile dist

dist: ## Build the release archive and its checksum in dist/
	@./scripts/dist

kind-image: ## Build a kind node image and a container engine without a container registry (Debian, root)
	@./scripts/kind-image

conformance-kind: outside ## Check every promise on a kind cluster: make conformance-kind CNI=flannel [NODE_IMAGE=… CLUSTER=… REPORT=…]
	$(FLATNET) test $(KIND_OPTIONS) $(ARGS)

test-kind: outside ## Run every test for a CNI on a running kind cluster: make test-kind CLUSTER=lab1 CNI=flannel
	$(CARGO) test --package flatnet-outside
	FLATNET_PROVIDER=kind FLATNET_CLUSTER=$(CLUSTER) FLATNET_CNI=$(CNI) FLATNET_CHANGE_CNI=true $(CARGO) test --no-fail-fast $(addprefix --test ,$(KIND_SUITES))

kind-up: outside ## Boot a kind cluster with a CNI and pods, and keep it: make kind-up NAME=lab1 CNI=flannel
	$(FLATNET) up --name $(NAME) $(KIND_OPTIONS) $(ARGS)

kind-down: ## Delete it: make kind-down NAME=lab1
	$(FLATNET) down $(NAME)
