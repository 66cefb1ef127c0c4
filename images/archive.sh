# Container images without a build tool: archives as `docker load` and `ctr images import` read them, made of layers that
# are tar files and a configuration. Sourced by scripts/kind-image. The same files give the same image id.
# shellcheck shell=bash

# layer DIR OUT.tar: what is in DIR, owned by root, without times or order that differ from one machine to the next.
layer() {
	tar --create --file "$2" --directory "$1" --numeric-owner --sort=name --mtime=@0 --xattrs .
}

# image STAGE NAME CONFIG LAYER.tar…: adds an image to an archive being gathered in STAGE. CONFIG is the JSON of the image
# configuration's `config`, without its braces.
image() {
	local stage=$1 name=$2 config=$3 digest diffs='' layers='' tar
	shift 3
	mkdir -p "$stage"
	for tar in "$@"; do
		digest=$(layer_digest "$tar")
		# A hard link where it is possible: the node's layers are several hundred megabytes.
		[ -e "$stage/$digest.tar" ] || ln "$tar" "$stage/$digest.tar" 2>/dev/null || cp "$tar" "$stage/$digest.tar"
		diffs+="${diffs:+,}\"sha256:$digest\""
		layers+="${layers:+,}\"$digest.tar\""
	done
	printf '{"architecture":"%s","os":"linux","config":{%s},"rootfs":{"type":"layers","diff_ids":[%s]}}' \
		"$(go env GOARCH)" "$config" "$diffs" >"$stage/config.new"
	digest=$(sha256sum <"$stage/config.new" | cut -d' ' -f1)
	mv "$stage/config.new" "$stage/$digest.json"
	printf '{"Config":"%s.json","RepoTags":["%s"],"Layers":[%s]}\n' "$digest" "$name" "$layers" >>"$stage/images"
}

# layer_digest LAYER.tar: its sha256, kept beside it.
layer_digest() {
	[ -e "$1.sha256" ] || sha256sum <"$1" | cut -d' ' -f1 >"$1.sha256"
	cat "$1.sha256"
}

# archive STAGE OUT.tar: all images gathered in STAGE as one archive.
archive() {
	printf '[%s]' "$(paste -sd, "$1/images")" >"$1/manifest.json"
	rm "$1/images"
	layer "$1" "$2"
}

# programs ROOT DIR PATH…: copies programs of the Debian tree ROOT to DIR, with the libraries they load.
programs() {
	local root=$1 dir=$2 path library
	shift 2
	for path in "$@"; do
		mkdir -p "$dir/$(dirname "$path")"
		# What is there may be a link to busybox, which must not be written through.
		cp -a --remove-destination "$root/$path" "$dir/$path"
		for library in $(chroot "$root" ldd "$path" 2>/dev/null | grep -o '/[^ ]*'); do
			mkdir -p "$dir/$(dirname "$library")"
			cp -L "$root/$library" "$dir/$library"
		done
	done
}
