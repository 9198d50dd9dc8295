// Strategy rolling: one Deployment, whose controller replaces pod by pod.
import { Deployment } from '../../../sdk/resources.ts'
import { deployment } from '../deployment.ts'
import { names } from '../names.ts'
import { portsOf } from '../ports.ts'
import { progressOf } from '../progress.ts'
import { publicService } from '../services.ts'
import type { Strategy } from './delivery.ts'
import { trackServices } from './tracks.ts'

export const rolling: Strategy = (app, { observed }, { revision, replicas }) => {
  const { hash } = revision
  const progress = progressOf(observed.get(Deployment, names(app).deployment('stable')), replicas.count, hash)
  const stable = progress.settled && !app.spec.suspend ? hash : app.status?.revision?.stable
  return {
    configurations: [revision.configuration('stable')],
    deployments: [
      deployment(app, 'stable', {
        template: revision.template('stable'),
        replicas: replicas.count,
        annotations: replicas.annotations,
      }),
    ],
    services: [publicService(app), ...trackServices(app, observed)],
    jobs: [],
    progress,
    status: {
      revision: { current: hash, ...(stable && { stable }) },
      traffic: [{ service: names(app).service, port: portsOf(app)[0].port, weight: 100, revision: hash }],
    },
    conditions: [],
  }
}
