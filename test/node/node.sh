#!/bin/sh
# Makes a machine within the machine and stays as its init: own mounts, processes, network, host name and control
# groups, a root file system of its own. When it ends, the kernel ends everything in it; only the control groups have
# to be removed by whoever started it.
#
#   node.sh NAME FOLDER ROOTFS BINDS
#
# NAME is the host name and that of its control group in each hierarchy. FOLDER is for all it writes: `ready` appears
# there when it is. ROOTFS is only read. BINDS is a list of source:target:mode, mode ro or rw, parted by blanks.
set -eu

outside() {
  # Into a control group of its own in every hierarchy, so that the namespace begins there.
  while read -r _ target type _; do
    case $type in cgroup | cgroup2) ;; *) continue ;; esac
    group="$target/$NAME"
    mkdir -p "$group"
    # A new group of version 1's cpuset has neither CPUs nor memory until it is told.
    for file in cpuset.cpus cpuset.mems; do
      if [ "$type" = cgroup ] && [ -e "$group/$file" ]; then cat "$target/$file" >"$group/$file"; fi
    done
    echo $$ >"$group/cgroup.procs"
  done </proc/mounts
  export STAGE=inside
  exec unshare --mount --propagation=private --pid --fork --kill-child --net --uts --ipc --cgroup "$0" "$@"
}

inside() {
  root="$FOLDER/root"
  mkdir -p "$root" "$FOLDER/upper" "$FOLDER/work" "$FOLDER/var"
  grep -E ' cgroup2? ' /proc/mounts >"$FOLDER/hierarchies"
  mount -t overlay overlay -o "lowerdir=$ROOTFS,upperdir=$FOLDER/upper,workdir=$FOLDER/work" "$root"
  # Not on the overlay: containerd's own overlays cannot lie on one.
  mkdir -p "$root/var/lib/node"
  mount --bind "$FOLDER/var" "$root/var/lib/node"
  mount -t proc proc "$root/proc"
  mount -t sysfs sysfs "$root/sys"
  mount -t tmpfs tmpfs "$root/run"
  mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
  devices
  groups
  kernel
  for bind in $BINDS; do
    from=${bind%%:*} rest=${bind#*:}
    to=${rest%%:*} mode=${rest#*:}
    if [ -d "$from" ]; then mkdir -p "$root$to"; else
      mkdir -p "$root${to%/*}"
      : >"$root$to"
    fi
    mount --bind "$from" "$root$to"
    mount -o "remount,bind,$mode" "$root$to"
  done
  hostname "$NAME"
  printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
  printf 'nameserver 127.0.0.1\n' >"$root/etc/resolv.conf"
  mkdir -p "$root/mnt/outside"
  cd "$root"
  pivot_root . mnt/outside
  : >"/mnt/outside$FOLDER/ready"
  exec chroot . /bin/bash -c "$INIT"
}

# The kubelet hands volumes on to pods, so mounts made from here on are shared. Bash takes up orphans as they end.
INIT='
umount -l /mnt/outside
mount --make-rshared /
ip link set lo up
trap "exit 0" TERM
while :; do sleep 86400 & wait $!; done
'

devices() {
  mount -t tmpfs -o mode=755 tmpfs "$root/dev"
  for device in null zero full random urandom tty kmsg fuse; do
    if [ -e "/dev/$device" ]; then
      : >"$root/dev/$device"
      mount --bind "/dev/$device" "$root/dev/$device"
    fi
  done
  mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue"
  mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$root/dev/pts"
  ln -s pts/ptmx "$root/dev/ptmx"
  mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
  mount -t mqueue mqueue "$root/dev/mqueue"
  for link in fd:/proc/self/fd stdin:/proc/self/fd/0 stdout:/proc/self/fd/1 stderr:/proc/self/fd/2; do
    ln -s "${link#*:}" "$root/dev/${link%%:*}"
  done
}

# The same hierarchies as outside, each seen from the group of this node on.
groups() {
  if ! grep -q ' cgroup ' "$FOLDER/hierarchies"; then
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    # A group that hands its controllers on may hold no process itself.
    mkdir "$root/sys/fs/cgroup/init"
    echo 0 >"$root/sys/fs/cgroup/init/cgroup.procs"
    sed 's/[a-z_]*/+&/g' "$root/sys/fs/cgroup/cgroup.controllers" >"$root/sys/fs/cgroup/cgroup.subtree_control"
    return
  fi
  mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
  while read -r _ target type options _; do
    name=${target##*/}
    mkdir -p "$root/sys/fs/cgroup/$name"
    if [ "$type" = cgroup2 ]; then
      mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup/$name"
    else
      # What is no flag of every mount is the controller, or the name of a hierarchy without one.
      controller=$(printf '%s' "$options" | tr , '\n' | grep -vE '^(rw|ro|nosuid|nodev|noexec|relatime|xattr|clone_children|release_agent=.*)$' | paste -sd,)
      case $controller in name=*) controller="none,$controller" ;; esac
      mount -t cgroup -o "$controller" cgroup "$root/sys/fs/cgroup/$name"
    fi
  done <"$FOLDER/hierarchies"
}

# What the kubelet insists on, in the kernel that all share: files that say so lie over the real ones, and the machine
# stays as it is.
kernel() {
  for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    file="$FOLDER/sysctl-$(printf '%s' "${setting%=*}" | tr / -)"
    echo "${setting#*=}" >"$file"
    mount --bind "$file" "$root/proc/sys/${setting%=*}"
  done
  echo 1 >"$root/proc/sys/net/ipv4/ip_forward"
}

NAME=$1 FOLDER=$2 ROOTFS=$3 BINDS=$4
if [ "${STAGE:-outside}" = outside ]; then outside "$@"; else inside; fi
