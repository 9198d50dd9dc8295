#!/bin/sh
# Takes operator-hooks out of a cluster in the one order that leaves nothing stuck:
#   1. the resources of its kinds, while Metacontroller and the hooks still run: their finalizers decide about the data
#   2. the controllers, when no resource has one of their finalizers any more
#   3. the hook service, permissions and CRDs, when the garbage collector has taken what belonged to the resources: it
#      cannot look up an owner whose kind is gone
# The other way round, resources would stay in Terminating for ever, since a controller that is gone removes no finalizer.
# Without --yes it only says what it would delete. KUBECTL may name another kubectl.
set -eu

usage() {
  cat <<'END'
Usage: scripts/uninstall.sh [--yes] [--keep-crds] [--timeout SECONDS]

  --yes               do it; without it, only show what there is
  --keep-crds         leave the CustomResourceDefinitions
  --timeout SECONDS   wait so long for the resources to go (600); a last backup takes its time

What becomes of a resource's data is what its own deletionPolicy says. Metacontroller itself stays.
END
}

yes='' keep_crds='' timeout=600
while [ $# -gt 0 ]; do
  case $1 in
    --yes) yes=1 ;;
    --keep-crds) keep_crds=1 ;;
    --timeout)
      timeout=${2-}
      case $timeout in '' | *[!0-9]*) echo "--timeout needs a whole number of seconds, not \"$timeout\"" >&2 && exit 2 ;; esac
      shift
      ;;
    -h | --help) usage && exit 0 ;;
    *) echo "unknown argument \"$1\"" >&2 && usage >&2 && exit 2 ;;
  esac
  shift
done

kubectl=${KUBECTL:-kubectl}
suite=app.kubernetes.io/part-of=operator-hooks
namespace=operator-hooks

# "databases.example.com" and so on, a line each.
crds=$("$kubectl" get customresourcedefinitions -l "$suite" -o 'jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}')
controllers=''
if "$kubectl" get customresourcedefinition compositecontrollers.metacontroller.k8s.io >/dev/null 2>&1; then
  controllers=$("$kubectl" get compositecontrollers,decoratorcontrollers -l "$suite" -o name)
fi

# Resources of one kind: "namespace/name", or "/name" without a namespace.
resources() {
  "$kubectl" get "$1" --all-namespaces -o 'jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name}{"\n"}{end}'
}

echo "Resources, with all that belongs to them:"
found=''
for crd in $crds; do
  for resource in $(resources "$crd"); do
    found=1
    echo "  $crd $resource"
  done
done
[ -n "$found" ] || echo "  none"
echo "Controllers:"
if [ -n "$controllers" ]; then
  # shellcheck disable=SC2086 # one word each
  printf '  %s\n' $controllers
else
  echo "  none"
fi
if [ -n "$keep_crds" ]; then
  echo "Then the namespace $namespace and permissions; the CRDs stay."
else
  echo "Then the namespace $namespace, permissions and CRDs."
fi
case $controllers in
  *decoratorcontroller*)
    echo "Note: a DecoratorController with a finalize hook leaves its finalizer on the objects it decorated. Take away what"
    echo "it selects first (its label or annotation), and let it finish."
    ;;
esac
if [ -z "$yes" ]; then
  echo "Nothing was deleted. --yes does it."
  exit 0
fi

# What belongs to a resource bears its UID as a label; the controllers name the kinds to look among.
uids=$(for crd in $crds; do
  "$kubectl" get "$crd" --all-namespaces -o 'jsonpath={range .items[*]}{.metadata.uid}{"\n"}{end}'
done)
types=$(for controller in $controllers; do
  "$kubectl" get "$controller" -o 'jsonpath={range .spec.childResources[*]}{.resource} {.apiVersion}{"\n"}{end}'
done | sort -u | while read -r resource version; do
  case $version in
    */*) echo "$resource.${version#*/}.${version%/*}" ;;
    ?*) echo "$resource" ;;
  esac
done | paste -s -d , -)

# "StatefulSet namespace/name" of what is left of them.
belongings() {
  [ -n "$uids" ] && [ -n "$types" ] || return 0
  "$kubectl" get "$types" --all-namespaces -l controller-uid \
    -o 'jsonpath={range .items[*]}{.metadata.labels.controller-uid} {.kind} {.metadata.namespace}/{.metadata.name}{"\n"}{end}' |
    grep -F "$uids" | cut -d ' ' -f 2-
}

# All are told to go before any is waited for.
for crd in $crds; do
  "$kubectl" delete "$crd" --all --all-namespaces --wait=false >/dev/null
done
echo "Waiting up to $timeout s for the resources to go …"
until=$(($(date +%s) + timeout))
for crd in $crds; do
  while left=$(resources "$crd") && [ -n "$left" ]; do
    if [ "$(date +%s)" -ge "$until" ]; then
      echo "Not gone after $timeout s, so the rest is left as it is. Their conditions say what they wait for:" >&2
      for resource in $left; do echo "  $crd $resource" >&2; done
      echo "Is Metacontroller running, and does it reach the hooks? When that is settled, run this again." >&2
      exit 1
    fi
    sleep 1
  done
done

while left=$(belongings) && [ -n "$left" ]; do
  if [ "$(date +%s)" -ge "$until" ]; then
    echo "The resources are gone, but these are not after $timeout s, so the rest is left as it is:" >&2
    echo "$left" >&2
    exit 1
  fi
  sleep 1
done

# shellcheck disable=SC2086 # one word each
[ -z "$controllers" ] || "$kubectl" delete $controllers
# Metacontroller's own role may bear the label too; it stays with Metacontroller.
for role in $("$kubectl" get clusterrolebindings,clusterroles -l "$suite" -o name | grep -v '/metacontroller$'); do
  "$kubectl" delete "$role"
done
"$kubectl" delete namespace "$namespace" --ignore-not-found
if [ -z "$keep_crds" ] && [ -n "$crds" ]; then
  # shellcheck disable=SC2086 # one word each
  "$kubectl" delete customresourcedefinitions $crds
fi
echo "operator-hooks is gone. The keys its passwords were derived with went with the namespace $namespace."
