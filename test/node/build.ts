// What a node is made of, from Go modules that are pinned beside this file and built once into the cache.
import { join } from 'node:path'
import { ensureBuilt, kubernetesVersionFlags, type Recipe } from '../cluster/build.ts'

/** Folders of the cache, each with the binaries it is named after. */
export interface NodeBinaries {
  /** kubelet, which is kube-proxy too by its first argument. */
  readonly kubelet: string
  /** containerd, ctr and containerd-shim-runc-v2. */
  readonly containerd: string
  readonly coredns: string
  readonly localPathProvisioner: string
  readonly rclone: string
  readonly versitygw: string
  /** The client that watches databases fail over: go/witness. */
  readonly witness: string
}

/** metrics-server: the folder with the binary. Found or built; for tests that ask for metrics of pods alone. */
export const ensureMetricsServer = () =>
  ensureBuilt(
    recipe('metrics-server', 'sigs.k8s.io/metrics-server', ['sigs.k8s.io/metrics-server/cmd/metrics-server'], 3),
  )

/** kube-state-metrics: the folder with the binary. Found or built; for tests of what is monitored alone. */
export const ensureKubeStateMetrics = () =>
  ensureBuilt(recipe('kube-state-metrics', 'k8s.io/kube-state-metrics/v2', ['.'], 3))

/** Finds or builds them, one after the other: each build takes all cores by itself. */
export async function ensureNodeBinaries(): Promise<NodeBinaries> {
  return {
    containerd: await ensureBuilt(recipes.containerd),
    kubelet: await ensureBuilt(recipes.kubelet),
    coredns: await ensureBuilt(recipes.coredns),
    localPathProvisioner: await ensureBuilt(recipes.localPathProvisioner),
    versitygw: await ensureBuilt(recipes.versitygw),
    rclone: await ensureBuilt(recipes.rclone),
    witness: await ensureBuilt(recipes.witness),
  }
}

function recipe(name: string, module: string, packages: readonly string[], minutes: number): Recipe {
  const source = join(import.meta.dirname, 'go', name)
  return { name, source, module, targets: packages, expectedMinutes: minutes }
}

const containerd = 'github.com/containerd/containerd/v2'
const recipes = {
  containerd: recipe(
    'containerd',
    containerd,
    ['containerd', 'ctr', 'containerd-shim-runc-v2'].map((program) => `${containerd}/cmd/${program}`),
    4,
  ),
  kubelet: { ...recipe('kubelet', 'k8s.io/kubernetes', ['.'], 10), ldflags: kubernetesVersionFlags },
  coredns: recipe('coredns', 'github.com/coredns/coredns', ['.'], 6),
  localPathProvisioner: recipe(
    'local-path-provisioner',
    'github.com/rancher/local-path-provisioner',
    ['github.com/rancher/local-path-provisioner'],
    3,
  ),
  rclone: recipe('rclone', 'github.com/rclone/rclone', ['.'], 3),
  versitygw: recipe('versitygw', 'github.com/versity/versitygw', ['github.com/versity/versitygw/cmd/versitygw'], 3),
  witness: recipe('witness', 'github.com/jackc/pgx/v5', ['.'], 1),
} satisfies Record<keyof NodeBinaries, Recipe>
