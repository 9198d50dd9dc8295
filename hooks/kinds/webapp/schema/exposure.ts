// How a WebApp is reached from outside: an Ingress, or a route of the Gateway API.
import * as z from 'zod'
import { objectNameSchema } from '../../../sdk/containers.ts'
import { annotationsSchema } from '../../../sdk/podspec.ts'

export const exposure = z.object({
  host: z
    .string()
    .min(1)
    .max(253)
    .regex(
      /^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/,
      'must be a host name such as shop.example.com, or *.example.com',
    )
    .describe('Host name of the application.'),
  path: z
    .string()
    .min(1)
    .max(1024)
    .regex(/^\/[^\s]*$/, 'must be a path that starts with /')
    .default('/')
    .describe('Path of the application.'),
  pathType: z.enum(['Prefix', 'Exact']).default('Prefix').describe('Whether what lies below the path belongs to it.'),
  port: z.string().min(1).max(15).optional().describe('Name of the port that requests go to; the first when absent.'),
  ingressClassName: objectNameSchema
    .optional()
    .describe("IngressClass of the Ingress; the cluster's default when absent."),
  annotations: annotationsSchema.optional().describe('Annotations for the Ingress or the route.'),
  tls: z
    .object({
      secretName: objectNameSchema
        .optional()
        .describe('Secret of type kubernetes.io/tls with the certificate; <name>-tls when absent.'),
      issuerRef: z
        .object({
          name: objectNameSchema.describe('Name of the issuer.'),
          kind: z.string().min(1).max(63).default('Issuer').describe('Issuer, ClusterIssuer or a kind of its own.'),
          group: z.string().min(1).max(253).default('cert-manager.io').describe('API group of the issuer.'),
        })
        .optional()
        .describe("cert-manager's issuer of the certificate, where cert-manager is installed."),
    })
    .optional()
    .describe('Encrypted connections.'),
  gateway: z
    .object({
      parentRefs: z
        .array(
          z.object({
            name: objectNameSchema.describe('Name of the Gateway.'),
            namespace: z.string().min(1).max(63).optional().describe("Its namespace; the application's when absent."),
            sectionName: z.string().min(1).max(253).optional().describe('Listener of the Gateway; all when absent.'),
          }),
        )
        .min(1)
        .max(8)
        .meta({ 'x-kubernetes-list-type': 'atomic' })
        .describe('Gateways that the route is part of.'),
    })
    .optional()
    .describe('A route of the Gateway API, where that is installed, instead of an Ingress.'),
})
