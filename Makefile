# What a person types; CI types the same.
CARGO ?= cargo

# Programs whose output the tests compare with our own, and the reference plugins: Debian's names.
OBSERVERS = iproute2 nftables busybox-static containernetworking-plugins iptables

# Of the kind targets: what networks the pods, the node image (kind's own where empty), a running cluster to use, where the
# report goes, archives of images for the nodes. What `scripts/kind-engine` provides flatnet finds by itself.
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

# Suites that fit what networks the cluster's pods: continuity and users are asked of flatnet's CNI, the causes of `flatnet diagnose`
# are planted in what flannel brings.
KIND_SUITES = study_notes $(if $(filter flatnet,$(CNI)),kind) $(if $(filter flannel,$(CNI)),diagnose_kind)

.PHONY: help conformance test build outside observers lint deny layers bench docs install dist kind-image kind-up kind-down conformance-kind test-kind

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# Unoptimized: built in a quarter of the time, and `make test` goes on from there. `make install` and `make dist` optimize.
build: ## Build flatnet and the programs it puts into nodes and pods
	$(CARGO) build --bins

# By itself, because together with the others it would change the features of the libraries they share, and compile those again.
outside: build ## The same, and the peer outside a kind cluster
	$(CARGO) build --package flatnet-outside

conformance: build ## Boot a three-node lab, deploy nine pods, check every promise
	$(FLATNET) test $(ARGS)

test: observers ## Run every test that needs no real cluster
	$(CARGO) test --no-fail-fast

observers: ## Install the programs tests observe with, where that is possible (root, apt), else name them
	@./scripts/observers $(OBSERVERS)

lint: ## Format and clippy, warnings denied
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

deny: ## Licences, sources and banned crates (needs cargo-deny)
	$(CARGO) deny --log-level error check bans licenses sources

layers: ## Find dependencies that the table of layers forbids, and cycles of modules
	$(CARGO) test --quiet --test layers

bench: ## Measure against the reference plugins, side by side; prints ratios
	$(CARGO) bench --profile dist --bench datapath

docs: ## Regenerate the documents that come from code
	FLATNET_REGENERATE=1 $(CARGO) test --quiet --package flatnet-model --package flatnet --lib current
	FLATNET_REGENERATE=1 $(CARGO) test --quiet --package flatnet --test network_model shows

install: ## Install flatnet and its parts into cargo's bin folder
	$(CARGO) install --path harness --locked --profile dist

dist: ## Make the archive of a release and its checksum, in dist/
	@./scripts/dist

kind-image: ## Make a kind node image, and an engine to run it, where no container registry is in reach (Debian, root)
	@./scripts/kind-image

conformance-kind: outside ## The same on a real kind cluster: make conformance-kind CNI=flannel [NODE_IMAGE=… CLUSTER=… REPORT=…]
	$(FLATNET) test $(KIND_OPTIONS) $(ARGS)

test-kind: outside ## Every test for a real cluster with that CNI, on a running one: make test-kind CLUSTER=lab1 CNI=flannel
	$(CARGO) test --package flatnet-outside
	FLATNET_PROVIDER=kind FLATNET_CLUSTER=$(CLUSTER) FLATNET_CNI=$(CNI) FLATNET_CHANGE_CNI=true $(CARGO) test --no-fail-fast $(addprefix --test ,$(KIND_SUITES))

kind-up: outside ## Boot a kind cluster with CNI and pods and keep it: make kind-up NAME=lab1 CNI=flannel
	$(FLATNET) up --name $(NAME) $(KIND_OPTIONS) $(ARGS)

kind-down: ## End it: make kind-down NAME=lab1
	$(FLATNET) down $(NAME)
