// The log: one JSON object a line on standard output.
import pino from 'pino'

/** A logger that writes to standard output, or to `destination`. */
export function createLogger(level: pino.LevelWithSilent, destination?: pino.DestinationStream): pino.Logger {
  const options: pino.LoggerOptions = {
    level,
    base: null,
    formatters: { level: (label) => ({ level: label }) },
    // An error is told by its name and place; whatever else hangs on it may be what was being worked on.
    serializers: {
      err: (error: unknown) => (error instanceof Error ? { error: error.name } : {}),
      req: () => undefined,
      res: () => undefined,
    },
  }
  return destination === undefined ? pino(options) : pino(options, destination)
}
