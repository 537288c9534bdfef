# shellcheck shell=bash disable=SC2154 # sourced by ../build, which sets from, work, here, modules, release, busybox, libs, linker
# The parts of the image, one function each.

# Drivers that the initramfs loads, in this order: the path to the root disk, the network, the seed, the power button.
initrd_modules=(virtio_pci virtio_blk virtio_net vfat nls_cp437 nls_ascii button evdev pvpanic_pci)

# What the root disk has besides: drivers of the machine, and what people who test distributed systems load. Paths below
# kernel/ in the package; a directory stands for all in it. What these depend on comes along.
root_modules=(
  # the machine: other seeds, entropy, panic notice, hot plug, balloon, shares
  fs/isofs fs/nls/nls_utf8.ko fs/nls/nls_iso8859-1.ko drivers/char/hw_random/virtio-rng.ko drivers/misc/pvpanic
  drivers/virtio drivers/net/virtio_net.ko drivers/block/virtio_blk.ko fs/fuse/virtiofs.ko
  net/vmw_vsock/vmw_vsock_virtio_transport.ko drivers/acpi/button.ko drivers/input/evdev.ko fs/fat
  # networks: tunnels, bridges, pairs
  drivers/net/tun.ko drivers/net/tap.ko drivers/net/veth.ko drivers/net/dummy.ko drivers/net/ifb.ko drivers/net/macvlan.ko
  drivers/net/vxlan drivers/net/geneve.ko drivers/net/wireguard drivers/net/bonding drivers/net/vrf.ko drivers/net/ipvlan
  net/bridge/bridge.ko net/bridge/br_netfilter.ko net/8021q net/ipv4/ip_gre.ko net/ipv4/ipip.ko net/ipv4/gre.ko
  # faults: delay, loss, rate limits
  net/sched/sch_netem.ko net/sched/sch_tbf.ko net/sched/sch_htb.ko net/sched/sch_ingress.ko net/sched/sch_prio.ko
  net/sched/cls_u32.ko net/sched/cls_flower.ko net/sched/cls_matchall.ko net/sched/act_mirred.ko
  # packet filters: nf_tables, and the classic iptables with the matches in common use
  net/netfilter/nf_tables.ko net/netfilter/nft_ct.ko net/netfilter/nft_nat.ko net/netfilter/nft_masq.ko
  net/netfilter/nft_chain_nat.ko net/netfilter/nft_limit.ko net/netfilter/nft_log.ko net/netfilter/nft_reject_inet.ko
  net/netfilter/nft_compat.ko net/netfilter/nf_conntrack_netlink.ko net/netfilter/xt_conntrack.ko net/netfilter/xt_tcpudp.ko
  net/netfilter/xt_addrtype.ko net/netfilter/xt_comment.ko net/netfilter/xt_mark.ko net/netfilter/xt_statistic.ko
  net/netfilter/xt_multiport.ko net/netfilter/xt_MASQUERADE.ko net/netfilter/xt_nat.ko net/netfilter/xt_REDIRECT.ko
  net/ipv4/netfilter/iptable_filter.ko net/ipv4/netfilter/iptable_nat.ko net/ipv4/netfilter/ipt_REJECT.ko
  # file systems and devices: overlays, device mapper's faults, memory disks
  fs/overlayfs fs/fuse/fuse.ko drivers/block/loop.ko drivers/block/nbd.ko drivers/block/zram drivers/md/dm-mod.ko
  drivers/md/dm-flakey.ko drivers/md/dm-delay.ko net/vmw_vsock/vsock.ko
)

# make_kernel FILE: the ELF image for `-kernel`. QEMU starts it by its PVH entry, with nothing to unpack.
make_kernel() {
  local form
  form=$(perl "$here/lib/vmlinux.pl" "$from/boot/vmlinuz-$release" 2>&1 >"$work/payload") || die "$form"
  case $form in
    lz4) "$linker" --library-path "$libs" "$from/usr/bin/lz4" -dcq "$work/payload" >"$1" ;;
    zstd | gzip | xz)
      require "$form" "${form/xz/xz-utils}"
      "$form" -dcq <"$work/payload" >"$1"
      ;;
  esac
  [[ $(head -c 4 "$1") == $'\x7fELF' ]] || die "cannot unpack vmlinuz-$release, expected an ELF image in it"
}

# copy_modules TREE NAME…: modules (NAME or path below kernel/) and all that they depend on, with their index, to
# TREE/lib/modules. A name that this kernel lacks, or has built in, is skipped.
copy_modules() {
  local tree=$1/lib/modules/$release name path wanted
  shift
  if [[ ! -s $modules/modules.dep ]]; then
    mkdir -p "$work/depmod/lib"
    ln -s "$(dirname "$modules")" "$work/depmod/lib/modules"
    "$busybox" depmod -b "$work/depmod" "$release"
  fi
  mkdir -p "$tree"
  for name in "$@"; do
    if [[ $name == */* ]]; then
      wanted=$(cd "$modules" && find kernel/"${name%.ko}"/ "kernel/$name" "kernel/$name".* -name '*.ko*' 2>/dev/null) || true
    else
      wanted=$(cd "$modules" && find kernel -name "${name//_/[-_]}.ko*")
    fi
    [[ $wanted ]] || say "no module $name in this kernel, going on without"
    for path in $wanted; do
      sed -n "s|^${path//./\\.}: *\(.*\)|$path \1|p" "$modules/modules.dep"
    done
  done | tr ' ' '\n' | sort -u | while read -r path; do
    [[ $path ]] || continue
    mkdir -p "$tree/$(dirname "$path")"
    case $path in
      *.xz) require xz xz-utils && xz -dc "$modules/$path" >"$tree/${path%.xz}" ;;
      *.zst) require zstd zstd && zstd -dcq "$modules/$path" >"$tree/${path%.zst}" ;;
      *) cp "$modules/$path" "$tree/$path" ;;
    esac
  done
  cp "$modules"/modules.{builtin,builtin.modinfo,order} "$tree/"
  "$busybox" depmod -b "${tree%/lib/modules/*}" "$release"
}

# make_initrd FILE: not compressed, as unpacking costs the guest more than reading.
make_initrd() {
  local tree=$work/initramfs applet
  mkdir -p "$tree"/{bin,dev,proc,root,sbin}
  copy_modules "$tree" "${initrd_modules[@]}"
  find "$tree/lib/modules" -name '*.ko' -exec perl "$here/lib/unsign.pl" {} +
  rm -f "$tree/lib/modules/$release"/modules.{alias,symbols,builtin,builtin.modinfo,order}
  cp "$busybox" "$tree/bin/busybox"
  for applet in sh mount mkdir modprobe dd poweroff switch_root; do ln -s busybox "$tree/bin/$applet"; done
  sed "s/MODULES/${initrd_modules[*]}/g" "$here/initramfs/init" >"$tree/init"
  chmod 755 "$tree/init" "$tree/bin/busybox"
  perl "$here/lib/newc.pl" "$tree" >"$1"
}

# install_program TREE SOURCE TARGET [MODE]: a program and the shared libraries that it is linked with.
install_program() {
  local tree=$1 source=$from/$2 target=$3 line
  [[ -e $source ]] || die "found no $2 in the packages"
  install -D -m "${4:-755}" "$source" "$tree/$target"
  while read -r line; do
    case $line in
      *'not found'*) die "cannot link $2: $line, expected it in the packages" ;;
      *'=> '/*) line=${line#*=> } line=${line%% (*} ;;
      *) continue ;;
    esac
    [[ $line != */sudo/* ]] || continue
    [[ -e $tree/usr/lib/x86_64-linux-gnu/${line##*/} ]] ||
      install -D -m 755 "$line" "$tree/usr/lib/x86_64-linux-gnu/${line##*/}"
  done < <("$linker" --library-path "$libs" --list "$source")
}

# make_tree DIRECTORY: the root file system's files.
make_tree() {
  local tree=$1 applet name
  mkdir -p "$tree"/{dev,etc/dropbear,etc/sudoers.d,home,mnt,opt,proc,root,run,srv,sys,tmp,usr/{bin,lib64,libexec/sudo,lib,local/bin},var/{lib/fleetbox,log,tmp,spool/cron/crontabs}}
  # One directory for all programs: the PATH that dropbear gives a user has no sbin, and `ip` should be found.
  ln -s bin "$tree/usr/sbin"
  ln -s usr/bin "$tree/bin"
  ln -s usr/bin "$tree/sbin"
  ln -s usr/lib "$tree/lib"
  ln -s usr/lib64 "$tree/lib64"
  ln -s /run "$tree/var/run"
  ln -s /proc/self/mounts "$tree/etc/mtab"
  mkdir "$tree/root/.ssh"
  : >"$tree/root/.ssh/authorized_keys"
  chmod 700 "$tree/root" "$tree/root/.ssh" "$tree/etc/dropbear"
  chmod 1777 "$tree/tmp" "$tree/var/tmp"
  chmod 750 "$tree/etc/sudoers.d"

  cp "$busybox" "$tree/usr/bin/busybox"
  chmod 755 "$tree/usr/bin/busybox"
  while read -r applet; do ln -s busybox "$tree/usr/bin/$applet"; done < <("$busybox" --list | grep -vxE 'busybox|reboot|poweroff|halt|init|dpkg|dpkg-deb|rpm|rpm2cpio')

  # The static busybox runs its own applets in place of programs of that name, found in PATH or not; fast, and wrong for a
  # shell that a user works with. What runs other programs comes from the package `busybox`, which is built without that.
  name=busybox-shell/bin/busybox
  [[ -e $from/$name ]] || name=busybox-shell/usr/bin/busybox
  install_program "$tree" "$name" usr/lib/fleetbox/busybox
  for name in sh ash env find xargs timeout time watch setsid nsenter unshare chroot start-stop-daemon run-parts taskset \
    ionice setpriv linux32 linux64 cttyhack getty; do
    ln -sf ../lib/fleetbox/busybox "$tree/usr/bin/$name"
  done
  install_program "$tree" usr/bin/nohup usr/bin/nohup
  install_program "$tree" usr/bin/nice usr/bin/nice

  # Anybody may ping, and this busybox knows raw sockets only: a copy with that one capability, see make_root.
  cp "$busybox" "$tree/usr/bin/busybox-raw"
  chmod 755 "$tree/usr/bin/busybox-raw"
  for name in ping ping6 traceroute traceroute6 arping; do ln -sf busybox-raw "$tree/usr/bin/$name"; done

  install -D -m 755 "$linker" "$tree/usr/lib64/ld-linux-x86-64.so.2"
  install_program "$tree" usr/sbin/dropbear usr/bin/dropbear
  install_program "$tree" usr/bin/dropbearkey usr/bin/dropbearkey
  install_program "$tree" usr/bin/dbclient usr/bin/dbclient
  ln -s dbclient "$tree/usr/bin/ssh"
  install_program "$tree" usr/bin/scp usr/bin/scp
  install_program "$tree" usr/lib/openssh/sftp-server usr/lib/openssh/sftp-server
  # where dropbear looks for it
  ln -s openssh/sftp-server "$tree/usr/lib/sftp-server"
  install_program "$tree" usr/bin/sudo usr/bin/sudo 4755
  for name in libsudo_util.so.0 sudoers.so sesh sudo_noexec.so; do
    install_program "$tree" "usr/libexec/sudo/$name" "usr/libexec/sudo/$name"
  done
  # sudo's plug-in is linked with PAM, and PAM opens this one by name.
  if [[ -e $from/lib/x86_64-linux-gnu/security/pam_permit.so ]]; then
    install_program "$tree" lib/x86_64-linux-gnu/security/pam_permit.so usr/lib/x86_64-linux-gnu/security/pam_permit.so
  else
    install_program "$tree" usr/lib/x86_64-linux-gnu/security/pam_permit.so usr/lib/x86_64-linux-gnu/security/pam_permit.so
  fi
  name=sbin/resize2fs
  [[ -e $from/$name ]] || name=usr/sbin/resize2fs
  install_program "$tree" "$name" usr/bin/resize2fs

  copy_modules "$tree" "${root_modules[@]}" "${initrd_modules[@]}"
  cp -R "$here/rootfs/." "$tree/"
  for name in agent grow; do
    perl -ne 'chomp; print pack "H*", $_' "$here/lib/$name.hex" >"$tree/usr/lib/fleetbox/$name"
  done
  find "$tree/etc" "$tree/usr/lib/fleetbox" -type f -exec chmod 644 {} +
  chmod 755 "$tree"/usr/lib/fleetbox/* "$tree/etc/acpi/PWRF/00000080"
  chmod 640 "$tree/etc/shadow"
  chmod 440 "$tree/etc/sudoers"
  chmod 600 "$tree/root/.ssh/authorized_keys"
  ln -s ../lib/fleetbox/boot "$tree/usr/bin/init"
  for name in reboot poweroff halt; do ln -s "../lib/fleetbox/$name" "$tree/usr/bin/$name"; done
}

# make_root FILE: an ext4 file system of 1 GiB, which the guest grows to the size of its disk at the first boot.
make_root() {
  local tree=$work/root raw=$work/root.raw
  mkdir -p "$tree"
  make_tree "$tree"
  truncate -s 1G "$raw"
  # assume_storage_prezeroed: inode tables are zero as the file is sparse; the guest need not initialise them.
  mke2fs -q -t ext4 -L fleetbox-micro -U 6d696372-6f00-4000-8000-666c65657462 -m 0 -e remount-ro -J size=16 \
    -E 'hash_seed=6d696372-6f00-4000-8000-666c65657463,assume_storage_prezeroed=1,root_owner=0:0' "$raw"
  perl "$here/lib/debugfs.pl" "$tree" >"$work/debugfs"
  # struct vfs_cap_data (linux/capability.h), revision 2: effective, and permitted CAP_NET_RAW (bit 13).
  printf '\001\000\000\002\000\040\000\000\000\000\000\000\000\000\000\000\000\000\000\000' >"$work/capability"
  echo "ea_set -f $work/capability /usr/bin/busybox-raw security.capability" >>"$work/debugfs"
  debugfs -w -f "$work/debugfs" "$raw" >"$work/debugfs.log" 2>&1 || die "debugfs: $(tail -n 3 "$work/debugfs.log")"
  # debugfs goes on after an error; what it says besides its prompt and the inodes that it allocated is one.
  if grep -vE '^(debugfs|Allocated inode: )' "$work/debugfs.log" | grep -q .; then
    die "debugfs: $(grep -vE '^(debugfs: |Allocated inode: )' "$work/debugfs.log" | head -n 3)"
  fi
  qemu-img convert -q -f raw -O qcow2 "$raw" "$1"
}

# The kernel's command line. README.md says why.
cmdline='console=ttyS0 root=/dev/vda rw quiet loglevel=4 panic=0 cryptomgr.notests tsc=reliable no_timer_check'
cmdline+=' random.trust_cpu=on mitigations=off init_on_alloc=0 noreplace-smp lsm=capability ipv6.disable=1'

# make_manifest DIRECTORY: image.json for the three files there.
make_manifest() {
  local kernel initrd disk version
  kernel=$(sha256sum <"$1/kernel") initrd=$(sha256sum <"$1/initrd") disk=$(sha256sum <"$1/root.qcow2")
  version=$(cat "$1/kernel" "$1/initrd" "$1/root.qcow2" | sha256sum | head -c 16)
  cat >"$1/image.json" <<JSON
{
  "name": "micro",
  "arch": "x86_64",
  "kernel": "kernel",
  "initrd": "initrd",
  "disk": "root.qcow2",
  "cmdline": "$cmdline",
  "version": "$version",
  "sha256": { "kernel": "${kernel%% *}", "initrd": "${initrd%% *}", "disk": "${disk%% *}" },
  "minMemoryMiB": 128,
  "agent": 1
}
JSON
}
