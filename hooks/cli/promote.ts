// operator-hooks promote: a revision that waits for a person goes on.
import { runVerdict, type Verdict } from './rollouts.ts'
import { processShell, type Shell } from './shell.ts'

/** Runs the command in this process's own terminal. */
export function run(args: string[]): Promise<number> {
  return promote(args, processShell([]))
}

/** Runs the command in a given shell. */
export function promote(args: readonly string[], shell: Shell): Promise<number> {
  return runVerdict(verdict, args, shell)
}

const verdict: Verdict = {
  name: 'promote',
  summary: 'Lets the revision of a WebApp that is being tried go on to all requests.',
  notes: [
    'For spec.rollout.promotion manual. A revision that is still at its steps is promoted once it has come through them.',
  ],
  refusal: ({ promotion, phase }) =>
    promotion === 'automatic'
      ? 'spec.rollout.promotion is automatic: it promotes itself'
      : phase === 'Promoting' || phase === 'Finalising'
        ? 'it is being promoted already'
        : undefined,
  told: ({ revision, phase }) =>
    phase === 'WaitingPromotion' ? `revision ${revision} goes on` : `revision ${revision} goes on after its last step`,
}
