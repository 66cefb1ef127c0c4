# Builds programs of published Go modules through a module of our own; sourced by scripts/kind-image.
# `go install PATH@VERSION` refuses modules whose go.mod has `replace` lines, which is most of what is built here.
# shellcheck shell=bash

# Static, the same bytes wherever the checkout is, and no debug information, half of their size.
export CGO_ENABLED=0 GOFLAGS=-mod=mod GOWORK=off
readonly GO_BUILD=(go build -trimpath -buildvcs=false)

# module_go_version MODULE VERSION: the `go` line of a module, which a module that requires it has to have as well.
module_go_version() {
	sed -n 's/^go //p' "$(module_file "$1" "$2")"
}

# module_file MODULE VERSION: where its go.mod is on this machine.
module_file() {
	go mod download -json "$1@$2" | sed -n 's/^\t"GoMod": "\(.*\)",$/\1/p'
}

# module_dir MODULE VERSION: where its source is on this machine.
module_dir() {
	go mod download -json "$1@$2" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p'
}

# module_write DIR MODULE VERSION: a module in DIR that requires only MODULE.
module_write() {
	mkdir -p "$1"
	printf 'module flatnet/programs\n\ngo %s\n\nrequire %s %s\n' "$(module_go_version "$2" "$3")" "$2" "$3" >"$1/go.mod"
}

# module_build DIR OUTPUT PACKAGE [LDFLAGS]: one program of the module in DIR.
module_build() {
	(cd "$1" && "${GO_BUILD[@]}" -ldflags "-s -w ${4-}" -o "$2" "$3")
}

# build_module MODULE VERSION PACKAGE OUTPUT: one program that needs no more than its module.
build_module() {
	local work
	work=$(mktemp -d)
	module_write "$work" "$1" "$2"
	module_build "$work" "$4" "$3"
	rm -rf "$work"
}

# build_main MODULE VERSION DIR OUTPUT: the program whose main package is in DIR, made of packages of the module.
build_main() {
	local work
	work=$(mktemp -d)
	module_write "$work" "$1" "$2"
	cp "$3"/*.go "$work"
	module_build "$work" "$4" .
	rm -rf "$work"
}

# build_kubernetes VERSION OUTDIR: the programs of a node. Kubernetes names its staging modules by a path within its own
# repository; they are published under the same minor as v0.
build_kubernetes() {
	local version=$1 out=$2 work staging flags='' package program minor=${1#v1.}
	work=$(mktemp -d)
	module_write "$work" k8s.io/kubernetes "$version"
	sed -n 's/^\t\(k8s\.io\/[a-z-]*\) => \.\/staging\/.*/\1/p' "$(module_file k8s.io/kubernetes "$version")" |
		while read -r staging; do
			printf 'replace %s => %s v0.%s\n' "$staging" "$staging" "$minor"
		done >>"$work/go.mod"
	# kubeadm decides by these what it asks for; a build without them calls itself v0.0.0.
	for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
		flags+=" -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=${minor%%.*}"
		flags+=" -X $package.gitTreeState=clean -X $package.gitCommit=$version -X $package.buildDate=1970-01-01T00:00:00Z"
	done
	mkdir -p "$out"
	for program in kubelet kubeadm kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubectl; do
		module_build "$work" "$out/$program" "k8s.io/kubernetes/cmd/$program" "$flags"
	done
	rm -rf "$work"
}
