#!/bin/sh
# Runs a command in a node that node.sh made: in its namespaces and in its control groups.
#
#   enter.sh NAME PID COMMAND…
#
# NAME is the node's, PID that of its init.
set -eu
name=$1 pid=$2
shift 2
while read -r _ target type _; do
  case $type in cgroup | cgroup2) ;; *) continue ;; esac
  group="$target/$name"
  if [ -d "$group/init" ]; then group="$group/init"; fi
  echo $$ >"$group/cgroup.procs"
done </proc/mounts
exec nsenter --target="$pid" --mount --net --uts --ipc --cgroup --pid -- "$@"
