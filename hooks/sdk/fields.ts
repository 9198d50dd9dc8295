// Paths to fields as Kubernetes writes them: spec.tolerations[0].key, metadata.labels[app.kubernetes.io/name].

/** The steps of a path; `[0]` is an index, any other bracket a key. */
export function stepsOfField(field: string): (string | number)[] {
  const steps: (string | number)[] = []
  for (const [, bracketed, plain] of field.matchAll(/\[([^\]]*)\]|([^.[\]]+)/g)) {
    if (plain !== undefined) steps.push(plain)
    else if (bracketed !== undefined) steps.push(/^\d+$/.test(bracketed) ? Number(bracketed) : unquoted(bracketed))
  }
  return steps
}

/** A path with one more step: `.name` where that can be told apart, `[app.kubernetes.io/name]` elsewhere. */
export function fieldBelow(path: string, step: string | number): string {
  if (typeof step === 'number' || !/^[A-Za-z_][\w-]*$/.test(step)) return `${path}[${step}]`
  return path === '' ? step : `${path}.${step}`
}

/** The value at a path; undefined where there is none. */
export function valueAt(object: unknown, field: string): unknown {
  return stepsOfField(field).reduce<unknown>(
    (value, step) => (typeof value === 'object' && value !== null ? Reflect.get(value, step) : undefined),
    object,
  )
}

function unquoted(text: string): string {
  return text.replace(/^"(.*)"$/, '$1')
}
