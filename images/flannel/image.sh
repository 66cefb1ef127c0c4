# flannel's daemon and its CNI plugin, from their Go modules, under the names flannel's documentation uses. Sourced by
# scripts/kind-image.
# shellcheck shell=bash

# build_flannel VERSION OUTPUT: flanneld without two backends. One needs a cloud vendor's module that not every module
# proxy hands out, the other (udp, for debugging, says flannel) a C compiler for the target. What registers a backend is an
# import in the main file, and only a module of our own may change that file.
build_flannel() {
	local version=$1 output=$2 work module=github.com/flannel-io/flannel
	work=$(mktemp -d)
	module_write "$work" $module "$version"
	sed -e '/pkg\/backend\/tencentvpc"/d' -e '/pkg\/backend\/udp"/d' "$(module_dir $module "$version")/main.go" >"$work/main.go"
	module_build "$work" "$output" . "-X $module/pkg/version.Version=$version"
	rm -rf "$work"
}

# flannel_images TREE FLANNELD PLUGIN OUT.tar: both images in one archive.
flannel_images() {
	local tree=$1 work
	work=$(mktemp -d)
	# The DaemonSet's init containers are `cp`.
	busybox_tree "$tree" "$work/daemon"
	network_tools "$tree" "$work/daemon"
	install -D "$2" "$work/daemon/opt/bin/flanneld"
	layer "$work/daemon" "$work/daemon.tar"
	image "$work/stage" "$FLANNEL_IMAGE" "$IMAGE_PATH,\"Entrypoint\":[\"/opt/bin/flanneld\"]" "$work/daemon.tar"

	busybox_tree "$tree" "$work/plugin"
	install "$3" "$work/plugin/flannel"
	layer "$work/plugin" "$work/plugin.tar"
	image "$work/stage" "$FLANNEL_PLUGIN_IMAGE" "$IMAGE_PATH" "$work/plugin.tar"

	archive "$work/stage" "$4"
	rm -rf "$work"
}
