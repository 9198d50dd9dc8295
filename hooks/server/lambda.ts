// The same service as an AWS Lambda behind a function URL: no listener, one request at a time, configured by environment
// variables alone.
import awsLambda from '@fastify/aws-lambda'
import type { Definition } from '../sdk/definition.ts'
import { assemble, warn } from './assemble.ts'
import { readConfiguration } from './configuration.ts'
import { createServer } from './server.ts'

/** A function URL's answer: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads */
interface LambdaAnswer {
  statusCode: number
  headers: Record<string, string>
  body: string
  isBase64Encoded?: boolean
}

/** What Lambda calls with an event of payload format 2.0 and its context. */
export type LambdaHandler = (event: unknown, context: object) => Promise<LambdaAnswer>

/** Makes the handler; throws a ConfigurationError for a configuration that is not fit. */
export async function createHandler(
  definitions: readonly Definition[],
  env: NodeJS.ProcessEnv,
): Promise<LambdaHandler> {
  const configuration = readConfiguration([], env)
  const options = await assemble(definitions, configuration, env)
  warn(configuration, options.logger)
  const app = await createServer(options)
  const answer = awsLambda<unknown>(app, { decorateRequest: false, callbackWaitsForEmptyEventLoop: false })
  return async (event, context) => {
    const { headers, ...rest } = await answer(event, context as Parameters<typeof answer>[1])
    // The function is frozen between two calls: what is to be sent must be sent now.
    await Promise.all([options.traces?.flush(), options.events?.flush()])
    return { ...rest, headers: { ...headers } }
  }
}
