# The images a node has before anything is pulled: those kubeadm asks for, and busybox. Sourced by scripts/kind-image.
# shellcheck shell=bash

readonly IMAGE_PATH='"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]'

# network_tools TREE DIR: iptables in both kinds, nft, conntrack and ip.
network_tools() {
	local tree=$1 dir=$2 kind name extensions
	programs "$tree" "$dir" /usr/sbin/xtables-nft-multi /usr/sbin/xtables-legacy-multi /usr/sbin/nft /usr/sbin/conntrack /bin/ip
	# Extensions are opened by name while a rule is read; one of them needs libm, which nothing else here does.
	extensions=$(cd "$tree" && echo usr/lib/*/xtables/*.so)
	# shellcheck disable=SC2046,SC2086 # paths without spaces
	programs "$tree" "$dir" $(printf '/%s ' $extensions)
	for name in iptables ip6tables iptables-save ip6tables-save iptables-restore ip6tables-restore; do
		for kind in nft legacy; do
			ln -s "xtables-$kind-multi" "$dir/usr/sbin/${name/tables/tables-$kind}"
		done
		ln -s xtables-nft-multi "$dir/usr/sbin/$name"
	done
}

# busybox_tree TREE DIR: busybox under all its names, and the two files that give users and groups names.
busybox_tree() {
	install -d "$2/bin" "$2/etc" "$2/root" "$2/usr/sbin" "$2/run"
	install -d -m 1777 "$2/tmp"
	cp "$1/bin/busybox" "$2/bin/busybox"
	local applet
	for applet in $("$2/bin/busybox" --list); do
		[ "$applet" = busybox ] || ln -s busybox "$2/bin/$applet"
	done
	printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$2/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\n' >"$2/etc/group"
}

# program_image STAGE NAME PROGRAM [CONFIG]: an image of one static program and a /tmp.
program_image() {
	local stage=$1 name=$2 program=$3 config=${4-} tree
	tree=$(mktemp -d)
	chmod 755 "$tree"
	install -D "$program" "$tree/usr/local/bin/$(basename "$program")"
	install -d -m 1777 "$tree/tmp"
	layer "$tree" "$tree.tar"
	image "$stage" "$name" "$IMAGE_PATH${config:+,$config}" "$tree.tar"
	rm -rf "$tree" "$tree.tar" "$tree.tar.sha256"
}

# node_images TREE PROGRAMS OUT.tar: all of them as one archive. PROGRAMS is a folder that holds what they are made of.
node_images() {
	local tree=$1 programs=$2 out=$3 work name
	work=$(mktemp -d)
	for name in kube-apiserver kube-controller-manager kube-scheduler; do
		program_image "$work/stage" "registry.k8s.io/$name:$KUBERNETES_VERSION" "$programs/$name"
	done
	program_image "$work/stage" "$ETCD_IMAGE" "$programs/etcd"
	program_image "$work/stage" "$PAUSE_IMAGE" "$programs/pause" '"Entrypoint":["/usr/local/bin/pause"]'
	program_image "$work/stage" "$COREDNS_IMAGE" "$programs/coredns" '"Entrypoint":["/usr/local/bin/coredns"]'

	network_tools "$tree" "$work/proxy"
	install -D "$programs/kube-proxy" "$work/proxy/usr/local/bin/kube-proxy"
	install -d -m 1777 "$work/proxy/tmp"
	layer "$work/proxy" "$work/proxy.tar"
	image "$work/stage" "registry.k8s.io/kube-proxy:$KUBERNETES_VERSION" "$IMAGE_PATH" "$work/proxy.tar"

	busybox_tree "$tree" "$work/busybox"
	layer "$work/busybox" "$work/busybox.tar"
	image "$work/stage" "$BUSYBOX_IMAGE" "$IMAGE_PATH,\"Cmd\":[\"sh\"]" "$work/busybox.tar"

	archive "$work/stage" "$out"
	rm -rf "$work"
}

# node_store TREE ARCHIVE DIR: the content store of a containerd that has been given ARCHIVE, as DIR/var/lib/containerd.
# Started in its own namespaces without network access; the node unpacks layers when a pod first needs them.
node_store() {
	install -d "$3/var/lib/containerd"
	# shellcheck disable=SC2016 # expanded inside
	unshare --mount --pid --net --fork --kill-child bash -euc '
		tree=$1 archive=$2 store=$3
		mount -t proc proc "$tree/proc"
		mount -t tmpfs tmpfs "$tree/run"
		mkdir -p "$tree/var/lib/containerd"
		mount --bind "$store" "$tree/var/lib/containerd"
		chroot "$tree" containerd --log-level error &
		until chroot "$tree" ctr version >/dev/null 2>&1; do
			kill -0 $!
			sleep 0.1
		done
		chroot "$tree" ctr --namespace k8s.io images import --no-unpack - <"$archive"
		kill $!
		wait $! || true
	' node_store "$1" "$2" "$3/var/lib/containerd"
}
