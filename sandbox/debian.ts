/** A minimal Debian file system, the lowest layer of images. */
export interface DebianRelease {
  readonly suite: string;
  readonly packages: readonly string[];
  /** lines for the image's own apt configuration */
  readonly aptOptions: readonly string[];
  /** shell commands run on the finished tree, `$1` is its root */
  readonly hooks: readonly string[];
}

/**
 * Below every part. Forky, because PostgreSQL 18, Caddy 2.11 and restic 0.19 are there; its Release file may have expired
 * between two updates of a testing suite, which apt would refuse.
 */
export const PARTS_BASE: DebianRelease = {
  suite: "forky",
  packages: ["busybox", "ca-certificates", "curl", "dumb-init", "libcap2-bin", "passwd"],
  aptOptions: ['Acquire::Check-Valid-Until "false"'],
  // Official images are mostly Alpine's: health checks find busybox's wget, and nothing that only GNU's has.
  hooks: ['ln -s busybox "$1/usr/bin/wget"'],
};

/** Below the VMs: what a fresh Debian 13 cloud image has, and no Docker, which is the program's to install. */
export const VM_BASE: DebianRelease = {
  suite: "trixie",
  packages: [
    "ca-certificates",
    "curl",
    "dbus",
    "iproute2",
    "iptables",
    "kmod",
    "openssh-server",
    "procps",
    "sudo",
    "systemd",
    "systemd-sysv",
  ],
  aptOptions: [],
  hooks: [],
};

// Nobody reads descriptions in other languages here, and they are half of what apt downloads to begin with.
const QUICK_APT = ['Acquire::Languages "none"'];
const UNUSED = ["doc", "info", "locale", "man"];

/** Builds a release's file system into a tar archive. Needs root. */
export function debootstrapArgv(release: DebianRelease, mirror: string, archive: string): string[] {
  return [
    "mmdebstrap",
    "--mode=root",
    "--variant=apt",
    `--include=${release.packages.join(",")}`,
    ...[...QUICK_APT, ...release.aptOptions].map((option) => `--aptopt=${option}`),
    // What is made here can be made again after a power cut, so dpkg need not wait for the disk.
    "--dpkgopt=force-unsafe-io",
    ...UNUSED.map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`),
    "--dpkgopt=path-include=/usr/share/locale/locale.alias",
    ...release.hooks.map((hook) => `--customize-hook=${hook}`),
    release.suite,
    archive,
    mirror,
  ];
}
