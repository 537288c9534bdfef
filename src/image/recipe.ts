/**
 * The settings of an image that fleetbox builds itself, for a quick boot: under emulation, starting a program takes a
 * tenth of a second. docs/images.md has the reason of every line.
 *
 * Shell scripts that `mmdebstrap` runs as (its namespace's) root with the new root directory as `$1`: one before
 * anything in it runs, one before the packages are installed, one after. They depend on Debian's use of systemd and
 * cloud-init, not on a release. Pure text.
 */

/** The kernel's command line. `net.ifnames=0`: the network card is `eth0` from the beginning, not renamed later. */
export const CMDLINE = [
  "root=/dev/vda rootfstype=ext4 rootflags=noinit_itable rw fsck.mode=skip quiet loglevel=4 panic=0",
  "net.ifnames=0 lsm=landlock,yama",
  // As for micro (images/micro/README.md): no tests and patches for faults that an emulator does not have.
  "cryptomgr.notests tsc=reliable no_timer_check random.trust_cpu=on mitigations=off init_on_alloc=0 noreplace-smp",
].join(" ");

/**
 * Beside {@link CMDLINE} where cloud-init needs no network before its last stage: it then does what it does before and what
 * it does after the network is there in one (its "local mode"), and the drop-in below leaves its second stage out.
 */
export const CMDLINE_OFFLINE = "ds=nocloud";

/** Files by their path in the image; those below `/etc/initramfs-tools` must be there when the kernel is installed. */
const EARLY: Record<string, string> = {
  "etc/initramfs-tools/conf.d/fleetbox": "MODULES=list\nCOMPRESS=lz4\nFSTYPE=ext4\nRESUME=none\n",
  "etc/initramfs-tools/hooks/fleetbox": `#!/bin/sh
# The drivers of the machine, loaded in this order. Devices are there without udev: the kernel names /dev/vda.
[ "$1" != prereqs ] || exit 0
. /usr/share/initramfs-tools/hook-functions
for module in virtio_pci virtio_mmio virtio_blk ext4 virtio_net virtio_rng vfat nls_cp437 nls_ascii button evdev; do
  force_load "$module"
done
`,
  // A script here goes before the one of the same name in /usr/share.
  "etc/initramfs-tools/scripts/init-top/udev": "#!/bin/sh\nexit 0\n",
  "etc/initramfs-tools/scripts/init-bottom/udev":
    '#!/bin/sh\n[ "$1" != prereqs ] || exit 0\nmount -n -o move /dev "${rootmnt:?}/dev"\nexit 0\n',
};

const CLOUD_INIT =
  `# fleetbox: one data source, one host key, no work that a machine with a fixed disk and address does not need
datasource_list: [ NoCloud ]
ssh_genkeytypes: [ed25519]
no_ssh_fingerprints: true
ssh: {emit_keys_to_console: false}
growpart: {mode: "off"}
resize_rootfs: false
locale: false
apt: {preserve_sources_list: true}
system_info: {network: {renderers: [networkd]}}
cloud_init_modules: [bootcmd, write-files, disk_setup, mounts, set_hostname, update_hostname, update_etc_hosts, ca-certs, users-groups, ssh]
cloud_config_modules: []
cloud_final_modules: [ssh-import-id, set-passwords, apt-configure, ntp, timezone, runcmd, package-update-upgrade-install, write-files-deferred, scripts-vendor, scripts-per-once, scripts-per-boot, scripts-per-instance, scripts-user, phone-home, final-message, power-state-change]
`;

const LATE: Record<string, string> = {
  "etc/cloud/cloud.cfg.d/90_fleetbox.cfg": CLOUD_INIT,
  // The kernel has mounted all there is: an entry would cause another remount.
  "etc/fstab": "# / is mounted by the initial RAM disk, and grown by systemd-growfs@-.service\n",
  // systemd 252 has no template for this; its fstab generator writes one like it. `/lib` is the path in every release.
  "etc/systemd/system/systemd-growfs@-.service": [
    "[Unit]",
    "DefaultDependencies=no",
    "After=-.mount",
    "Before=local-fs.target shutdown.target",
    "Conflicts=shutdown.target",
    "[Service]",
    "Type=oneshot",
    "RemainAfterExit=yes",
    "ExecStart=/lib/systemd/systemd-growfs /",
    "",
  ].join("\n"),
  "etc/hostname": "localhost\n",
  "etc/hosts": "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n",
  "etc/default/locale": "LANG=C.UTF-8\n",
  "etc/ssh/sshd_config.d/fleetbox.conf": "HostKey /etc/ssh/ssh_host_ed25519_key\n",
  // cloud-init would write this for `ssh_pwauth: false`, and then restart the server.
  "etc/ssh/sshd_config.d/50-cloud-init.conf": "PasswordAuthentication no\n",
  // It would read all certificates at its start, for DNS over TLS, which is not used here.
  "etc/systemd/system/systemd-resolved.service.d/fleetbox.conf": "[Service]\nEnvironment=SSL_CERT_FILE=/dev/null\n",
  "etc/systemd/system/cloud-init.service.d/fleetbox.conf": `[Unit]\nConditionKernelCommandLine=!${CMDLINE_OFFLINE}\n`,
  "etc/systemd/resolved.conf.d/fleetbox.conf": "[Resolve]\nLLMNR=no\nMulticastDNS=no\n",
  "etc/systemd/journald.conf.d/fleetbox.conf": "[Journal]\nStorage=persistent\nSystemMaxUse=64M\n",
  // Addresses are static; a link-local one would be waited for.
  "etc/systemd/network/10-cloud-init-eth0.network.d/fleetbox.conf":
    "[Network]\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n",
  // Of the hundred devices at boot, those with a useful rule.
  "etc/systemd/system/systemd-udev-trigger.service.d/fleetbox.conf": [
    "[Service]",
    "ExecStart=",
    "ExecStart=-udevadm trigger --type=devices --action=add --subsystem-match=block --subsystem-match=net" +
    " --subsystem-match=input --subsystem-match=rtc",
    "ExecStart=-udevadm trigger --type=devices --action=add --subsystem-match=tty --sysname-match=ttyS0" +
    " --sysname-match=ttyAMA0 --sysname-match=hvc0",
    "",
  ].join("\n"),
  "etc/systemd/system/systemd-networkd-wait-online.service.d/fleetbox.conf":
    "[Service]\nExecStart=\nExecStart=/lib/systemd/systemd-networkd-wait-online --ipv4 --any --timeout=30\n",
};

/** Units that are useless for a short-lived machine, or without their hardware. */
const MASKED = [
  "apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer",
  "getty@tty1.service systemd-pstore.service ldconfig.service systemd-hwdb-update.service systemd-machine-id-commit.service",
  "cloud-init-hotplugd.socket cloud-init-hotplugd.service systemd-network-generator.service ssh.socket",
  "dev-hugepages.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount",
  "sys-fs-fuse-connections.mount modprobe@configfs.service modprobe@dm_mod.service modprobe@drm.service",
  "modprobe@efi_pstore.service modprobe@fuse.service modprobe@loop.service",
  "proc-sys-fs-binfmt_misc.automount systemd-binfmt.service systemd-update-utmp.service",
  "systemd-update-utmp-runlevel.service systemd-remount-fs.service",
  // Its modules are in the list of the last stage, which saves one start of Python.
  "cloud-config.service",
].join(" ").split(" ");

/** Generators that search in vain at every boot. cloud-init's searches for the data source, which is known. */
const GENERATORS = [
  "cloud-init-generator systemd-cryptsetup-generator systemd-gpt-auto-generator systemd-hibernate-resume-generator",
  "systemd-integritysetup-generator systemd-rc-local-generator systemd-run-generator",
  "systemd-system-update-generator systemd-veritysetup-generator",
].join(" ").split(" ");

const PRELOAD = "/usr/lib/fleetbox-eatmydata.so";

/**
 * Runs before any program in the new root: dpkg syncs to the disk thousands of times, in a temporary directory that
 * needs no syncs. `libeatmydata` turns these calls into no-ops; it is not installed as a package, and removed at the
 * end. Without it the build takes longer.
 */
export function firstScript(): string {
  return script(
    `set +e`,
    `there=$(mktemp -d "$1/tmp/XXXXXX") && cd "$there" || exit 0`,
    `export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"`,
    `apt-get -qq -o APT::Sandbox::User=root download libeatmydata1 2>/dev/null && dpkg-deb -x libeatmydata1_*.deb . &&`,
    `  cp usr/lib/*/libeatmydata.so "$1${PRELOAD}"`,
    // Every program prints a warning about a preload that is missing.
    `if [ -e "$1${PRELOAD}" ] && [ -z "$(chroot "$1" env LD_PRELOAD=${PRELOAD} true 2>&1)" ]`,
    `then echo ${PRELOAD} >"$1/etc/ld.so.preload"; else rm -f "$1${PRELOAD}"; fi`,
    `cd / && rm -rf "$there"`,
    `exit 0`,
  );
}

/** Runs before the packages are installed. */
export function earlyScript(): string {
  return script(files(EARLY));
}

/** Runs after them. The kernel and the initial RAM disk go beside the root directory, out of the image. */
export function lateScript(): string {
  return script(
    `rm -f "$1/etc/ld.so.preload" "$1${PRELOAD}"`,
    ...files(LATE),
    ...MASKED.map((unit) => `ln -sf /dev/null "$1/etc/systemd/system/${unit}"`),
    `mkdir -p "$1/etc/systemd/system-generators" "$1/etc/systemd/system/local-fs.target.wants"`,
    ...GENERATORS.map((generator) => `ln -sf /dev/null "$1/etc/systemd/system-generators/${generator}"`),
    // cloud-init's generator would do this after it found its data source.
    `mkdir -p "$1/etc/systemd/system/multi-user.target.wants"`,
    `ln -sf /lib/systemd/system/cloud-init.target "$1/etc/systemd/system/multi-user.target.wants/cloud-init.target"`,
    `ln -sf ../systemd-growfs@-.service "$1/etc/systemd/system/local-fs.target.wants/systemd-growfs@-.service"`,
    `rm -f "$1/etc/modules-load.d/modules.conf"`,
    `chroot "$1" systemctl enable --quiet systemd-networkd.service systemd-resolved.service`,
    `ln -sf ../run/systemd/resolve/stub-resolv.conf "$1/etc/resolv.conf"`,
    `mkdir -p "$1/var/log/journal"`,
    `touch "$1/etc/.updated" "$1/var/.updated"`, // nothing in /usr is newer: no ldconfig, no hwdb, at the first boot
    `: >"$1/etc/machine-id"`,
    `rm -f "$1"/etc/ssh/ssh_host_* "$1/etc/apt/apt.conf.d/99mmdebstrap" "$1/etc/dpkg/dpkg.cfg.d/99mmdebstrap"`,
    `rm -rf "$1"/var/cache/debconf/*-old "$1"/var/lib/dpkg/*-old "$1"/var/log/*.log "$1"/var/log/apt "$1/root/.bash_history"`,
    `mv "$1"/boot/vmlinuz-* "$1/../vmlinuz"`,
    `mv "$1"/boot/initrd.img-* "$1/../initrd"`,
    `chmod 0644 "$1/../vmlinuz" "$1/../initrd"`,
  );
}

function files(all: Record<string, string>): string[] {
  return Object.entries(all).map(([path, text]) => {
    const mode = text.startsWith("#!") ? "0755" : "0644";
    return `install -D -m ${mode} /dev/stdin "$1/${path}" <<'FLEETBOX'\n${text}FLEETBOX`;
  });
}

function script(...commands: (string | string[])[]): string {
  return ["#!/bin/sh", "set -eu", ...commands.flat()].join("\n") + "\n";
}
