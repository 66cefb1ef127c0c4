# The Debian tree that nodes are made of, and from which images borrow programs. Sourced by scripts/kind-image.
# shellcheck shell=bash

readonly NODE_PACKAGES=(
	systemd systemd-sysv dbus containerd runc            # a machine that runs containers
	iptables nftables iproute2 conntrack ethtool socat   # what kubelet, kube-proxy and CNIs call
	kmod mount procps iputils-ping ca-certificates
	containernetworking-plugins
	busybox-static                                       # the pods' image, and `cp` in images that need one
)

# What a machine has and a container must not: devices, consoles, clocks, settings of the one kernel all nodes share.
readonly NODE_MASKED=(
	systemd-udevd.service systemd-udev-trigger.service systemd-udevd-kernel.socket systemd-udevd-control.socket
	systemd-sysctl.service systemd-modules-load.service systemd-random-seed.service systemd-binfmt.service
	systemd-logind.service systemd-timesyncd.service systemd-networkd.service systemd-resolved.service
	systemd-pstore.service systemd-firstboot.service nftables.service getty.target console-getty.service
	dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount
	sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount
	apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer
	systemd-tmpfiles-clean.timer
)

# debian_mirror SUITE: where this machine gets that suite from.
debian_mirror() {
	# shellcheck disable=SC2016 # apt's own variables
	apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
		sed -n "s/^$1 main //p" | sed 1q
}

# debian_tree SUITE DIR
debian_tree() {
	local suite=$1 tree=$2 mirror packages unit
	mirror=$(debian_mirror "$suite")
	packages=$(IFS=,; echo "${NODE_PACKAGES[*]}")
	debootstrap --variant=minbase --include="$packages" "$suite" "$tree" "$mirror"

	rm -rf "$tree"/{var/cache/apt,var/lib/apt/lists,var/log,usr/share/{doc,man,locale,info,lintian}}/*
	rm -f "$tree"/etc/{machine-id,hostname,resolv.conf} "$tree"/var/lib/dbus/machine-id
	# Nothing but what the node's own files enable.
	rm -rf "$tree"/etc/systemd/system/*.wants
	for unit in "${NODE_MASKED[@]}"; do
		ln -sfn /dev/null "$tree/etc/systemd/system/$unit"
	done
	ln -sfn /lib/systemd/system/multi-user.target "$tree/etc/systemd/system/default.target"
	# What a node of kind's own has, and bridge, on which flannel relies.
	install -D -t "$tree/opt/cni/bin" "$tree"/usr/lib/cni/{host-local,loopback,portmap,ptp,bridge}
	# Shims of runtimes that are not configured, and unused plugins: 55 MB.
	rm -r "$tree/usr/lib/cni" "$tree"/usr/bin/containerd-shim "$tree/usr/bin/containerd-shim-runc-v1"
}
