// Flags that several commands take.
import type { Flag } from './command.ts'

/** -f, as kubectl has it. */
export const filenameFlag = {
  type: 'string',
  short: 'f',
  multiple: true,
  value: 'FILE',
  help: 'YAML file or folder; - is standard input',
} as const satisfies Flag

/** -o of commands that tell people something: text or json. */
export const reportFlag = {
  type: 'string',
  short: 'o',
  default: 'text',
  choices: ['text', 'json'],
  value: 'FORMAT',
  help: 'how to print',
} as const satisfies Flag

/** -o of commands that print manifests: yaml or json. */
export const manifestsFlag = {
  type: 'string',
  short: 'o',
  default: 'yaml',
  choices: ['yaml', 'json'],
  value: 'FORMAT',
  help: 'how to print',
} as const satisfies Flag

/** Which cluster to read. */
export const kubeconfigFlag = {
  type: 'string',
  value: 'FILE',
  help: 'the cluster to read; default KUBECONFIG, then ~/.kube/config',
} as const satisfies Flag

export const contextFlag = { type: 'string', value: 'NAME', help: "the kubeconfig's context" } as const satisfies Flag
