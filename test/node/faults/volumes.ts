// Volumes that are really as small as they say: the folders that the tier's StorageClass hands out are as large as the
// disk. Each is a file system in memory, on one of the nodes.
import type { NodeCluster } from '../cluster.ts'
import type { Node } from '../node.ts'

export interface SmallVolumes {
  readonly storageClass: string
  /** For spec.storage.size. */
  readonly size: string
  /** Leaves no byte free on any of them. */
  fill(): Promise<void>
  /** Takes away what `fill` wrote. */
  free(): Promise<void>
  remove(): Promise<void>
}

/** Makes `count` of them, spread over the nodes. `name` is that of their StorageClass. */
export async function makeSmallVolumes(
  cluster: NodeCluster,
  { name, count, mebibytes }: { name: string; count: number; mebibytes: number },
): Promise<SmallVolumes> {
  const size = `${mebibytes}Mi`
  const volumes = Array.from({ length: count }, (_, index) => {
    const node = cluster.nodes[index % cluster.nodes.length]
    if (node === undefined) throw new Error('the cluster has no node')
    return { node, name: `${name}-${index}`, path: `/var/lib/node/${name}-${index}` }
  })
  const each = async (run: (volume: { node: Node; path: string }) => Promise<unknown>) => {
    await Promise.all(volumes.map(run))
  }
  await cluster.apply({
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name },
    provisioner: 'kubernetes.io/no-provisioner',
    volumeBindingMode: 'WaitForFirstConsumer',
  })
  await each(({ node, path }) =>
    node.run(
      'bash',
      '-c',
      'mkdir -p "$1" && mount -t tmpfs -o "size=$2,mode=0777" tmpfs "$1"',
      'bash',
      path,
      `${mebibytes}m`,
    ),
  )
  for (const volume of volumes) {
    await cluster.apply({
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: volume.name },
      spec: {
        capacity: { storage: size },
        accessModes: ['ReadWriteOnce'],
        persistentVolumeReclaimPolicy: 'Retain',
        storageClassName: name,
        local: { path: volume.path },
        nodeAffinity: {
          required: {
            nodeSelectorTerms: [
              { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [volume.node.name] }] },
            ],
          },
        },
      },
    })
  }
  return {
    storageClass: name,
    size,
    // dd ends with an error when the disk is full, which is what is wanted of it.
    fill: () =>
      each(({ node, path }) =>
        node.run('bash', '-c', 'dd if=/dev/zero of="$1/filler" bs=4K 2>/dev/null; sync; true', 'bash', path),
      ),
    free: () => each(({ node, path }) => node.run('rm', '-f', `${path}/filler`)),
    async remove() {
      for (const volume of volumes) {
        await cluster.delete({ apiVersion: 'v1', kind: 'PersistentVolume', name: volume.name })
      }
      await cluster.delete({ apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', name })
      await each(({ node, path }) => node.run('umount', '--lazy', path))
    },
  }
}
