# Debian packages for ./demo and ./check, and how to install them without starting a server. Sourced by both;
# $as_root is empty for root, or the sudo command.
# shellcheck shell=bash disable=SC2034,SC2154,SC2016

packages_build="autoconf automake make gcc libc6-dev pkg-config libfcgi-dev libjson-c-dev libcurl4-openssl-dev libpq-dev libsodium-dev libev-dev
libpcre2-dev libcrypt-dev libssl-dev liboath-dev libqrencode-dev"
packages_run="nginx-light spawn-fcgi postgresql openssl curl ca-certificates python3 python3-aiohttp procps"

# missing_packages NAME...: those that are not installed.
missing_packages() {
	local p
	for p in "$@"; do
		# nginx in any flavour will do, and npm from wherever it came with its node.
		[ "$p" = nginx-light ] && [ -x "$(command -v nginx)" ] && continue
		[ "$p" = npm ] && [ -x "$(command -v npm)" ] && continue
		dpkg-query -W -f '${Status}\n' "$p" 2>/dev/null | grep -q 'ok installed' || echo "$p"
	done
}

# postgresql_major: of the servers that are installed the newest, which the tests' own clusters use.
postgresql_major() {
	find /usr/lib/postgresql -mindepth 3 -path '*/bin/postgres' 2>/dev/null | cut -d/ -f5 | sort -n | tail -n 1
}

# install_packages NAME...: nothing of it may start a server of its own, so a policy forbids it meanwhile.
install_packages() {
	local policy=/usr/sbin/policy-rc.d ours=no rc
	[ $# -gt 0 ] || return 0
	if [ ! -e $policy ]; then
		ours=yes
		printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
		$as_root chmod 755 $policy
	fi
	if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
		$as_root mkdir -p /etc/postgresql-common
		echo 'create_main_cluster = false' | $as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
	fi
	$as_root apt-get update -q && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
	rc=$?
	[ $ours = yes ] && $as_root rm -f $policy
	return $rc
}

# copy_tree FROM TO: the sources as git knows them, uncommitted changes included, times kept so that make builds what changed.
copy_tree() {
	if git -C "$1" rev-parse --git-dir >/dev/null 2>&1; then
		git -C "$1" ls-files -z -co --exclude-standard | (cd "$1" && xargs -0 -I{} sh -c '[ -e "$1" ] && printf "%s\0" "$1"' sh {}) |
			tar -C "$1" --null -T - -cf - | tar -C "$2" -xf -
	else
		tar -C "$1" --exclude .git --exclude .demo-build -cf - . | tar -C "$2" -xf -
	fi
}
