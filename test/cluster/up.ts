// `npm run cluster`: one control plane with the suite installed and its hook service running, until Ctrl-C.
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import closeWithGrace from 'close-with-grace'
import { createControlPlaneCluster } from './cluster.ts'

const root = join(import.meta.dirname, '..', '..')
const main = join(root, 'hooks', 'main.ts')

const started = Date.now()
const cluster = await createControlPlaneCluster({
  hook: { command: process.execPath, args: [main, 'serve', '--auth=none', '--ephemeral-credential-keys'] },
  manifests: ['crds', 'metacontroller', 'deploy/generated/rbac', 'deploy/generated/events'].map((folder) =>
    join(root, folder),
  ),
  faults: false,
})
closeWithGrace({ delay: 15_000 }, async () => {
  process.stdout.write('\nstopping …\n')
  await cluster.stop()
})

const { kubeconfig, kubectl, server, workplace } = cluster.controlPlane
const [sample] = globSync('hooks/kinds/*/samples/*.yaml', { cwd: root }).sort()
process.stdout.write(`Kubernetes with Metacontroller is up after ${Math.round((Date.now() - started) / 1000)} s at ${server}

  export KUBECONFIG=${kubeconfig}
  alias kubectl=${kubectl}      # this version's kubectl, with that kubeconfig

  kubectl get compositecontrollers,decoratorcontrollers
${sample ? `  kubectl apply -f ${sample}\n` : ''}  kubectl get pods,statefulsets,services --all-namespaces --watch
  kubectl annotate pod <name> cluster.test/behaviour=crash      # or never-ready, fail, succeed, run

hook service: ${cluster.hook.url} (kwok plays nodes and pods: no container really runs)
logs: ${workplace.folder}/*.log
Ctrl-C stops it and removes everything.
`)

// A component that ends is told once; the others go on, for there may be something to look at.
const told = new Set<string>()
for (;;) {
  for (const failure of workplace.failures()) {
    if (!told.has(failure)) process.stderr.write(`${failure}\n`)
    told.add(failure)
  }
  await wait(1000)
}
