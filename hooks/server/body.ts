// A body stays in the pieces in which it came. It is hashed piece by piece, and one that is answered 304 is never put
// together: copies of what nobody parses would make the garbage collector cost more than the rest of such an answer.
import { errorCodes, type FastifyRequest } from 'fastify'

/** The bytes of a request's body, in order. */
export type Body = readonly Buffer[]

/** Reads the body of a request; fails with 413 above `limit` bytes, and with 400 when it is cut off. */
export function readBody(
  { headers }: FastifyRequest,
  payload: NodeJS.ReadableStream,
  limit: number,
  done: (error: Error | null, body?: Body) => void,
): void {
  const announced = Number(headers['content-length'])
  if (announced > limit) {
    done(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE())
    return
  }
  const pieces: Buffer[] = []
  let received = 0
  const settle = (error: Error | null) => {
    payload.off('data', add).off('end', end).off('error', fail)
    done(error, pieces)
  }
  const add = (data: Buffer | string) => {
    const piece = typeof data === 'string' ? Buffer.from(data) : data
    received += piece.length
    pieces.push(piece)
    if (received > limit) settle(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE())
  }
  const end = () => {
    const whole = Number.isNaN(announced) || announced === received
    settle(whole ? null : new errorCodes.FST_ERR_CTP_INVALID_CONTENT_LENGTH())
  }
  const fail = (error: Error) => settle(Object.assign(error, { statusCode: 400 }))
  payload.on('data', add).on('end', end).on('error', fail)
}

/** How many bytes it has. */
export function lengthOf(body: Body): number {
  return body.reduce((sum, { length }) => sum + length, 0)
}
