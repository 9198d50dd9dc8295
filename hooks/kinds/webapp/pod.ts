// The template of the pods: the application, what runs before and beside it, and its volumes.
import type { Container, PodTemplateSpec, Volume, VolumeMount } from 'kubernetes-types/core/v1.js'
import { resourcesWithDefaults } from '../../sdk/containerresources.ts'
import {
  containerOptions,
  type HelperContainer,
  helperContainer,
  podVolumes,
  pullSecrets,
} from '../../sdk/containers.ts'
import type { Settings } from '../../sdk/definition.ts'
import { prefixedImage } from '../../sdk/images.ts'
import { placement, withoutEmpty } from '../../sdk/podspec.ts'
import { configurationHash, configurationMounts, configurationVolumes } from './configfiles.ts'
import { labels, names, selectorLabels, type Track, trackLabel } from './names.ts'
import { containerSecurity, podSecurity } from './podsecurity.ts'
import { portsOf } from './ports.ts'
import { probes } from './probes.ts'
import type { WebApp } from './schema.ts'
import { writableMounts, writableVolumes } from './writable.ts'

/** The container of the application. */
export const containerName = 'web'

/** The template of the pods of a track, as the spec has them; it names the ConfigMap of that track. */
export function podTemplate(app: WebApp, settings: Settings, track: Track): PodTemplateSpec {
  const { spec } = app
  const volumes = podVolumesOf(app, track)
  const initContainers = [
    ...(spec.initContainers ?? []).map((helper) => helperOf(app, helper, settings)),
    // Sidecars in Kubernetes' own sense: they start before the application and stop after it.
    // https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
    ...(spec.sidecars ?? []).map(
      (helper): Container => ({ ...helperOf(app, helper, settings), restartPolicy: 'Always' }),
    ),
  ]
  return {
    metadata: {
      labels: { ...spec.pod.labels, ...labels(app), [trackLabel]: track },
      annotations: {
        ...spec.pod.annotations,
        'kubectl.kubernetes.io/default-container': containerName,
        ...configurationHash(app),
      },
    },
    spec: {
      serviceAccountName: names(app).serviceAccount,
      automountServiceAccountToken: spec.serviceAccount.automountToken,
      enableServiceLinks: false,
      ...pullSecrets(spec.imagePullSecrets),
      securityContext: podSecurity(app),
      terminationGracePeriodSeconds: spec.terminationGracePeriodSeconds,
      ...placement(spec.pod, selectorLabels(app)),
      ...(initContainers.length > 0 && { initContainers }),
      containers: [application(app, settings)],
      ...(volumes.length > 0 && { volumes }),
    },
  }
}

function application(app: WebApp, settings: Settings): Container {
  const { spec } = app
  const volumeMounts = mountsOf(app)
  return {
    name: containerName,
    image: prefixedImage(spec.image, settings),
    ...containerOptions(spec),
    ports: portsOf(app).map(({ name, containerPort, protocol }) => ({ name, containerPort, protocol })),
    resources: resourcesWithDefaults(spec.resources, {
      cpu: '100m',
      memory: '256Mi',
      ephemeralStorage: ['64Mi', '1Gi'],
    }),
    securityContext: containerSecurity(app),
    ...probes(app),
    // Until every node has heard that the pod is going, requests still come: it goes on serving that long.
    ...(spec.preStopSeconds > 0 && { lifecycle: { preStop: { sleep: { seconds: spec.preStopSeconds } } } }),
    ...(volumeMounts.length > 0 && { volumeMounts }),
  }
}

function helperOf(app: WebApp, helper: HelperContainer, settings: Settings): Container {
  return {
    ...helperContainer(helper, {
      cpu: '10m',
      memory: '64Mi',
      ephemeralStorage: ['16Mi', '128Mi'],
    }),
    image: prefixedImage(helper.image, settings),
    securityContext: containerSecurity(app),
  }
}

function podVolumesOf(app: WebApp, track: Track): Volume[] {
  return [...podVolumes(app.spec.volumes ?? []), ...configurationVolumes(app, track), ...writableVolumes(app)]
}

function mountsOf(app: WebApp): VolumeMount[] {
  return [...withoutEmpty(app.spec.volumeMounts ?? []), ...configurationMounts(app), ...writableMounts(app)]
}
