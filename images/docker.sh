# A container engine from Debian packages, unpacked and not installed: nothing is started, and an installed docker does not change.
# Sourced by scripts/kind-image.
# shellcheck shell=bash

# tools: what a build calls, installed where that is possible, otherwise named. Go is not in the list of packages: no
# Debian release has one that is new enough.
tools() {
	local packages=()
	command -v go >/dev/null || missing "Go 1.25 or newer on the PATH"
	command -v apt-get >/dev/null || missing "apt-get: nodes are made of Debian packages"
	# apt may know its sources only when it has asked them once.
	[ -n "$(debian_mirror "$DEBIAN_SUITE")" ] || logged tools apt-get update -qq
	[ -n "$(debian_mirror "$DEBIAN_SUITE")" ] || missing "an apt source of Debian $DEBIAN_SUITE (component main) in /etc/apt"
	command -v debootstrap >/dev/null || packages+=(debootstrap)
	command -v cc >/dev/null || packages+=(gcc libc6-dev)
	command -v iptables >/dev/null || packages+=(iptables)
	command -v ip >/dev/null || packages+=(iproute2)
	[ ${#packages[@]} = 0 ] && return
	say "installing ${packages[*]}"
	logged tools install_packages "${packages[@]}"
}

install_packages() {
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

# docker_programs DIR: dockerd, containerd, runc and the client.
docker_programs() {
	local work libraries=()
	work=$(mktemp -d)
	apt-get update -qq
	(cd "$work" && apt-get -o APT::Sandbox::User=root download docker.io containerd runc)
	local package
	for package in "$work"/*.deb; do
		dpkg-deb --extract "$package" "$work/tree"
	done
	install -t "$1" "$work"/tree/usr/bin/{docker,containerd,containerd-shim-runc-v2,ctr} "$work"/tree/usr/sbin/{dockerd,docker-proxy,runc}
	rm -rf "$work"
	# Libraries, which have no daemon that would start.
	ldd "$1/dockerd" | grep -q 'libdevmapper.*not found' && libraries+=(libdevmapper1.02.1)
	ldd "$1/runc" | grep -q 'libseccomp.*not found' && libraries+=(libseccomp2)
	[ ${#libraries[@]} = 0 ] || install_packages "${libraries[@]}"
}
