// operator-hooks abort: a revision that is being tried is rolled back.
import { runVerdict, type Verdict } from './rollouts.ts'
import { processShell, type Shell } from './shell.ts'

/** Runs the command in this process's own terminal. */
export function run(args: string[]): Promise<number> {
  return abort(args, processShell([]))
}

/** Runs the command in a given shell. */
export function abort(args: readonly string[], shell: Shell): Promise<number> {
  return runVerdict(verdict, args, shell)
}

const verdict: Verdict = {
  name: 'abort',
  summary: 'Rolls the revision of a WebApp back that is being tried.',
  notes: ['It is not tried again until the pods are asked for differently, as with a revision that failed by itself.'],
  refusal: ({ phase, stable }) =>
    phase === 'Promoting' || phase === 'Finalising'
      ? `too late: it is being promoted; ask for the template of revision ${stable} again to go back`
      : undefined,
  told: ({ revision, stable }) => `revision ${revision} is rolled back; ${stable ?? 'what ran before'} serves`,
}
