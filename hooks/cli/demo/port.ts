// The one port that the demo asks for by number.
import { inputError } from '../command.ts'

/** What to say when something listens there already. */
export function portTaken(port: number): Error {
  return inputError(`port ${port} of 127.0.0.1 is taken: stop what listens there, or take another with --port (0: any)`)
}
